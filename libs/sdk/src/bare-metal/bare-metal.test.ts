import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { bareMetalOperations, type ChassisState } from '@purlin/schema'
import test from 'ava'
import { hastyClock, taskOf } from '../../tests/samples.ts'
import { answer, type Respond, refuse, serve, type TestServer } from '../../tests/serve.ts'
import { type BareMetalClient, createBareMetalClient, readManifestFiles } from '../index.ts'

function clientOf(server: TestServer): BareMetalClient {
  return createBareMetalClient(server, { clock: hastyClock() })
}

function chassisIn(state: ChassisState, more: object = {}): unknown {
  const life = { state, sinceMs: 1, maintenance: false, ...more }
  return { kind: 'Chassis', name: 'c1', status: { conditions: [], life } }
}

test('every call of a chassis goes to its own place of the table', async (t) => {
  await using server = await serve((_request, response) => answer(response, 200, { items: [] }))
  await using client = clientOf(server)
  const { chassis } = client
  const calls: readonly (() => Promise<unknown>)[] = [
    () => chassis.power('c1'),
    () => chassis.setPower('c1', 'soft', { deadlineMs: 60_000, otherwise: 'off' }),
    () => chassis.boot('c1'),
    () => chassis.setBoot('c1', { device: 'pxe' }),
    () => chassis.clearBoot('c1'),
    () => chassis.sensors('c1'),
    () => chassis.fieldUnits('c1'),
    () => chassis.eventLog('c1'),
    () => chassis.clearEventLog('c1'),
    () => chassis.hardware('c1'),
    () => chassis.identity('c1'),
    () => chassis.verify('c1'),
    () => chassis.discover('c1'),
    () => chassis.reports('c1'),
    () => chassis.report('c1', 3),
    () => chassis.reportChanges('c1', { from: 1 }),
    () => chassis.maintenance('c1', true, { reason: 'fan' }),
    () => chassis.rescue('c1', ['ssh-ed25519 AAAA']),
    () => chassis.endRescue('c1'),
    () => chassis.cancel('c1'),
    () => chassis.retry('c1'),
    () => chassis.history('c1', { limit: 5 }),
    () => client.bareMetalInstances.plan('i1'),
    () => client.bareMetalInstances.release('i1', { erase: 'full' }),
    () => client.bareMetalInstances.metrics('i1', { metric: 'node_load1' }),
    () => client.bareMetalInstances.metricsHistory('i1', { stepMs: 60_000 }),
    () => client.deploymentTemplates.check('t1', { chassis: 'c1', source: { media: 'm1' } }),
    () => client.deploymentNetworks.probe('n1'),
    () => client.deploymentNetworks.enrol('n1', 10),
  ]
  for (const call of calls) await call()
  const places = Object.values(bareMetalOperations).map(({ method, path }) => ({ method, path }))
  const rowOf = ({ method, path }: { method: string; path: string }) =>
    places.find((row) => {
      const pattern = new RegExp(`^${row.path.replaceAll(/:[a-z]+/g, '[^/]+')}$`)
      return row.method === method && pattern.test(path)
    })
  t.deepEqual(
    server.seen.map(rowOf).filter((row) => row === undefined),
    [],
  )
  t.is(new Set(server.seen.map(({ method, path }) => `${method} ${path}`)).size, calls.length)
  t.deepEqual(JSON.parse(server.seen[1]?.body ?? ''), {
    action: 'soft',
    deadlineMs: 60_000,
    otherwise: 'off',
  })
})

test('a console gives bytes and marks in their order, however the stream is cut', async (t) => {
  const lines = [
    { kind: 'began', atMs: 1 },
    { kind: 'output', atMs: 2, base64: Buffer.from('h\u00e4llo\r\n').toString('base64') },
    { kind: 'ended', atMs: 3, reason: 'gone' },
  ]
  const text = `\n${lines.map((line) => JSON.stringify(line)).join('\n\n')}\n`
  await using server = await serve((_request, response) => {
    response.writeHead(200)
    for (const char of text) response.write(char)
    response.end()
  })
  await using client = clientOf(server)
  const seen: string[] = []
  for await (const one of client.chassis.console('c1', { follow: false, tailBytes: 100 })) {
    seen.push(one.kind === 'output' ? Buffer.from(one.bytes).toString() : one.kind)
  }
  t.deepEqual(seen, ['began', 'h\u00e4llo\r\n', 'ended'])
  t.deepEqual(Object.fromEntries(server.seen[0]?.query ?? []), {
    follow: 'false',
    tailBytes: '100',
  })
})

test('waitFor tells each step once, and throws the failure of the life', async (t) => {
  const states = [
    chassisIn('booting', { step: 'first contact' }),
    chassisIn('booting', { step: 'first contact' }),
    chassisIn('writing'),
    chassisIn('active'),
  ]
  await using server = await serve((_request, response, earlier) =>
    answer(response, 200, states[Math.min(earlier.length, 3)]),
  )
  await using client = clientOf(server)
  const seen: string[] = []
  const onLife = ({ state }: { readonly state: string }): void => void seen.push(state)
  const chassis = await client.chassis.waitFor('c1', 'active', { onLife })
  t.is(chassis.status.life?.state, 'active')
  t.deepEqual(seen, ['booting', 'writing', 'active'])

  const failure = {
    state: 'booting',
    cause: 'it never asked',
    code: 'PUR_LIFE_BOOT_IGNORED',
    retriable: true,
    atMs: 1,
  }
  await using broken = await serve((_request, response) =>
    answer(response, 200, chassisIn('failed', { failure })),
  )
  await using other = clientOf(broken)
  const error = await t.throwsAsync(other.chassis.waitFor('c1', 'active'), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_LIFE_BOOT_IGNORED')
  t.is(error?.message, 'chassis c1 failed while booting: it never asked')
  t.is((await other.chassis.waitForRest('c1')).status.life?.state, 'failed')
})

/** A daemon that keeps what is uploaded, and cuts the first connection after some bytes. */
function keeping(cutAfter: number, kept: { bytes: Buffer }): Respond {
  let cuts = 0
  return ({ method, query, body }, response, _earlier) => {
    const whole = (state: string): unknown => ({
      state,
      bytes: kept.bytes.length,
      sizeBytes: Number(query.get('sizeBytes')),
      sinceMs: 1,
    })
    if (method === 'GET') {
      answer(response, 200, { status: { conditions: [], content: whole('absent') } })
      return
    }
    const offset = Number(query.get('offset'))
    const received = Buffer.from(body, 'latin1')
    if (offset !== 0 && offset !== kept.bytes.length) {
      refuse(response, 409, 'PUR_MEDIA_OFFSET', { context: { bytes: kept.bytes.length } })
      return
    }
    kept.bytes = Buffer.concat([kept.bytes.subarray(0, offset), received])
    if (cuts === 0 && kept.bytes.length > cutAfter) {
      cuts += 1
      kept.bytes = kept.bytes.subarray(0, cutAfter)
      cut(response)
      return
    }
    answer(response, 200, whole('extracting'))
  }
}

function cut(response: ServerResponse): void {
  response.destroy()
}

test('an upload that is cut off goes on where the daemon has it, and tells its progress', async (t) => {
  const kept = { bytes: Buffer.alloc(0) }
  await using server = await serve(keeping(1_000, kept))
  await using client = clientOf(server)
  const file = join(server.folder, 'x.iso')
  const bytes = Buffer.alloc(3_000, 'purlin')
  await writeFile(file, bytes)
  const told: number[] = []
  const status = await client.installMedia.upload('m1', file, {
    onProgress: (sent) => told.push(sent),
  })
  t.is(status.state, 'extracting')
  t.is(
    createHash('sha256').update(kept.bytes).digest('hex'),
    createHash('sha256').update(bytes).digest('hex'),
  )
  const offsets = server.seen
    .filter(({ method }) => method === 'PUT')
    .map(({ query }) => query.get('offset'))
  t.deepEqual(offsets, ['0', '1000'])
  t.is(told.at(-1), 3_000)
})

test('a file that cannot be uploaded is told before anything is sent', async (t) => {
  await using server = await serve((_request, response) => answer(response, 200, {}))
  await using client = clientOf(server)
  for (const [file, expected] of [
    [join(server.folder, 'gone.iso'), /ENOENT/],
    [server.folder, /is a folder; pack it/],
  ] as const) {
    const error = await t.throwsAsync(client.images.upload('i1', file), { instanceOf: PurlinError })
    t.is(error?.code, 'PUR_INVALID')
    t.regex(error?.message ?? '', expected)
  }
  t.deepEqual(server.seen, [])
})

test('the files of the example manifest are read beside it, its ISO is only named', async (t) => {
  await using server = await serve(({ path }, response) => {
    if (path === '/v1/apply') answer(response, 202, taskOf())
    else if (path.endsWith('/content')) answer(response, 200, { state: 'ready', bytes: 3 })
    else answer(response, 200, { status: { conditions: [] } })
  })
  await using client = clientOf(server)
  const text = await readFile(
    new URL('../../../../examples/bare-metal.yaml', import.meta.url),
    'utf8',
  )
  const file = join(server.folder, 'bare-metal.yaml')
  await writeFile(file, text)
  const missing = await t.throwsAsync(client.applyFile(file), { instanceOf: PurlinError })
  t.deepEqual(
    missing?.problems.map(({ document, path }) => `${document} ${path}`),
    ['1 spec.passwordFile', '4 spec.users[0].passwordHashFile', '4 spec.users[0].sshKeys[0]'],
  )
  await mkdir(join(server.folder, 'media'))
  for (const name of ['bmc-1.password', 'ops.hash', 'ops.pub', 'media/debian-13.iso']) {
    await writeFile(join(server.folder, name), name)
  }
  const sent: string[] = []
  const handle = await client.applyFile(file, {
    onProgress: ({ name }, bytes, size) => sent.push(`${name} ${bytes}/${size}`),
  })
  t.is(handle.id, 't1')
  const body = JSON.parse(server.seen.find(({ path }) => path === '/v1/apply')?.body ?? '{}')
  t.deepEqual(body.files, {
    './bmc-1.password': 'bmc-1.password',
    './ops.hash': 'ops.hash',
    './ops.pub': 'ops.pub',
  })
  t.is(body.documents.length, 6)
  t.deepEqual(sent, ['debian-13 19/19'])
})

test('a file of a manifest has at most 1 MiB', async (t) => {
  await using server = await serve((_request, response) => answer(response, 200, {}))
  await writeFile(join(server.folder, 'big'), Buffer.alloc(1_048_577))
  const secret = { kind: 'Secret', name: 's', spec: { passwordFile: 'big' } }
  const error = await t.throwsAsync(readManifestFiles([secret], server.folder), {
    instanceOf: PurlinError,
  })
  t.is(error?.problems[0]?.message, 'big: is larger than 1 MiB')
})
