import { mkdir, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { createClient } from '@purlin/sdk'
import test from 'ava'
import { removeFolder, startAgent } from './start-agent.ts'

const group = (name: string, extra: Record<string, unknown> = {}) => ({
  kind: 'SecurityGroup',
  name,
  spec: { ...extra },
})

test.serial(
  'the socket is 0660; loopback TCP asks for a token, whose text is nowhere in the state',
  async (t) => {
    const agent = await startAgent()
    t.is((await stat(agent.socket)).mode & 0o777, 0o660)
    const url = `http://127.0.0.1:${agent.tcpPort}`
    const none = createClient({ url, token: 'purlin_wrong' })
    await t.throwsAsync(none.plan([]), { code: 'PUR_AUTH_REQUIRED' })
    const { token } = await agent.client.tokens.create({ name: 'viewer', role: 'viewer' })
    const viewer = createClient({ url, token })
    t.deepEqual(await viewer.securityGroups.list(), [])
    await t.throwsAsync(viewer.apply([group('web')]), { code: 'PUR_AUTH_FORBIDDEN' })
    const backup = join(agent.folder, 'backup.db')
    await agent.client.backupState(backup)
    const { readFile } = await import('node:fs/promises')
    t.false((await readFile(backup)).includes(token.slice('purlin_'.length)))
    t.false(agent.output().includes(token))
    await none.close()
    await viewer.close()
    t.is(await agent.stop(), 0)
    await removeFolder(agent)
  },
)

test.serial(
  'a group is enforced without Open vSwitch and libvirt; health names the lanes that are not well',
  async (t) => {
    const agent = await startAgent()
    const task = await agent.client.apply([group('web')])
    t.is((await task.wait({ deadlineMs: 15_000 })).state, 'succeeded')
    const health = await eventually(
      () => agent.client.health(),
      ({ lanes }) => lanes.some(({ lane, state }) => lane === 'vswitch' && state === 'failed'),
    )
    t.is(health.status, 'degraded')
    t.true(health.lanes.some(({ lane, state }) => lane === 'netfilter' && state === 'idle'))
    const alerts = await agent.client.alerts()
    t.true(alerts.some(({ code }) => code === 'PUR_OVS_UNREACHABLE'))
    await agent.stop()
    await removeFolder(agent)
  },
)

test.serial(
  'the same idempotency key gives the same task; with another request it is refused',
  async (t) => {
    const agent = await startAgent()
    const send = async (name: string) =>
      await post(agent.socket, '/v1/apply', { documents: [group(name)] }, 'key-1')
    const [first, second] = [await send('web'), await send('web')]
    t.is(first.status, 202)
    t.is(first.body.id, second.body.id)
    const other = await send('app')
    t.is(other.status, 409)
    t.is(other.body.code, 'PUR_IDEMPOTENCY_REUSED')
    await agent.stop()
    await removeFolder(agent)
  },
)

test.serial('a bad manifest is refused with every problem and nothing is applied', async (t) => {
  const agent = await startAgent()
  const rule = { family: 'ipv4', protocol: 'icmp', ports: ['80'], action: 'allow' }
  const documents = [group('good'), group('bad', { inbound: [rule] }), { kind: 'Nope', name: 'x' }]
  const { status, body } = await post(agent.socket, '/v1/apply', { documents })
  t.is(status, 422)
  t.deepEqual(
    body.problems.map((one: { document: number; path: string }) => `${one.document} ${one.path}`),
    ['1 spec.inbound[0].ports', '2 kind'],
  )
  t.deepEqual(await agent.client.securityGroups.list(), [])
  await agent.stop()
  await removeFolder(agent)
})

test.serial('a stale If-Match is refused with both revisions', async (t) => {
  const agent = await startAgent()
  await (await agent.client.apply([group('web')])).wait()
  const web = await agent.client.securityGroups.get('web')
  await (await agent.client.apply([group('web', { allowWithinGroup: false })])).wait()
  const { kind, name, spec } = web
  await t.throwsAsync(
    agent.client.securityGroups.put({ kind, name, spec }, { ifRevision: web.revision }),
    {
      code: 'PUR_RESOURCE_REVISION',
    },
  )
  await agent.stop()
  await removeFolder(agent)
})

test.serial(
  'kill -9 loses nothing: resources, tasks and event numbers go on where they were',
  async (t) => {
    const agent = await startAgent()
    await (await agent.client.apply([group('web')])).wait()
    const before = await agent.client.securityGroups.get('web')
    const seen = await eventsOf(agent.client)
    await agent.stop('SIGKILL')
    const again = await startAgent({ folder: agent.folder })
    const { uid, revision, generation } = await again.client.securityGroups.get('web')
    t.deepEqual({ uid, revision, generation }, pick(before))
    const later = await eventsOf(again.client, seen.at(-1))
    t.true(later.every((sequence) => sequence > (seen.at(-1) ?? 0)))
    t.deepEqual(
      seen,
      seen.map((_, index) => (seen[0] ?? 0) + index),
    )
    t.is(await again.stop(), 0)
    await removeFolder(again)
  },
)

test.serial('a backup brings resources back as they were; what came later goes', async (t) => {
  const agent = await startAgent()
  await (await agent.client.apply([group('web'), group('app')])).wait()
  const file = join(agent.folder, 'backup.db')
  await agent.client.backupState(file)
  await (await agent.client.securityGroups.delete('app')).wait()
  await (
    await agent.client.apply([group('late'), group('web', { allowWithinGroup: false })])
  ).wait()
  await (await agent.client.restoreState(file)).wait()
  const groups = await agent.client.securityGroups.list()
  t.deepEqual(groups.map(({ name }) => name).toSorted(), ['app', 'web'])
  t.true(groups.every(({ spec }) => spec.allowWithinGroup))
  await agent.stop()
  await removeFolder(agent)
})

test.serial(
  'restore puts the last rules into an empty kernel, and leaves those that stand alone',
  async (t) => {
    const agent = await startAgent()
    await (await agent.client.apply([group('web')])).wait()
    await agent.stop()
    const restore = async (): Promise<string> =>
      (await run(process.execPath, agent.command('restore'), { timeoutMs: 20_000 })).stdout
    t.is(await restore(), 'rules are in force already\n')
    const nft = (...args: string[]) => run('/usr/sbin/nft', args, { timeoutMs: 10_000 })
    const before = (await nft('list', 'table', 'inet', 'purlin')).stdout
    await nft('delete', 'table', 'inet', 'purlin')
    await nft('delete', 'table', 'bridge', 'purlin')
    t.is(await restore(), 'rules restored\n')
    const counters = /packets \d+ bytes \d+/g
    t.is(
      (await nft('list', 'table', 'inet', 'purlin')).stdout.replaceAll(counters, ''),
      before.replaceAll(counters, ''),
    )
    await removeFolder(agent)
  },
)

test.serial(
  'a cancelled apply puts back what was there, unless somebody changed it since',
  async (t) => {
    const agent = await startAgent()
    await (await agent.client.apply([group('web')])).wait()
    // Without Open vSwitch a switch is never made, so that its task stays open.
    const dvs = { kind: 'DistributedSwitch', name: 'dvs0', spec: {} }
    const open = await agent.client.apply([dvs, group('web', { allowWithinGroup: false })])
    t.is((await agent.client.tasks.cancel(open.id)).state, 'cancelled')
    t.deepEqual(await agent.client.distributedSwitches.list(), [])
    t.true((await agent.client.securityGroups.get('web')).spec.allowWithinGroup)
    await t.throwsAsync(agent.client.tasks.cancel(open.id), { code: 'PUR_TASK_ENDED' })
    const second = await agent.client.apply([dvs, group('web', { allowWithinGroup: false })])
    await (await agent.client.apply([group('web')])).wait()
    await t.throwsAsync(agent.client.tasks.cancel(second.id), { code: 'PUR_STORE_CONFLICT' })
    t.is((await agent.client.distributedSwitches.list()).length, 1)
    await agent.stop()
    await removeFolder(agent)
  },
)

test.serial('a TCP port that is taken ends the agent with one sentence', async (t) => {
  const agent = await startAgent()
  t.teardown(async () => {
    await agent.stop()
    await removeFolder(agent)
  })
  const busy = `[log]\nlevel = "error"`
  const error = await t.throwsAsync(startAgent({ tcpPort: agent.tcpPort, configuration: busy }))
  t.regex(
    error?.message ?? '',
    /ended with 1: .*PUR_AGENT_BUSY: 127\.0\.0\.1:\d+ cannot be listened/s,
  )
})

test.serial(
  'a table of our name that is not ours is left alone, and the doctor names it',
  async (t) => {
    const agent = await startAgent()
    await (await agent.client.apply([group('web')])).wait()
    const nft = (...args: string[]) => run('/usr/sbin/nft', args, { timeoutMs: 10_000 })
    // In one transaction, so that no repair fits between the two.
    await nft('delete table inet purlin; add table inet purlin')
    const findings = await eventually(
      () => agent.client.doctor(),
      (found) => found.some(({ check, status }) => check === 'taken-names' && status === 'problem'),
    )
    const taken = findings.find(({ check }) => check === 'taken-names')
    t.regex(taken?.found ?? '', /table inet purlin exists and does not carry Purlin's mark/)
    await nft('delete', 'table', 'inet', 'purlin')
    const well = await eventually(
      () => agent.client.doctor(),
      (found) => found.some(({ check, status }) => check === 'taken-names' && status === 'ok'),
    )
    t.true(well.some(({ check, status }) => check === 'taken-names' && status === 'ok'))
    await agent.stop()
    await removeFolder(agent)
  },
)

test.serial('two agents on one state folder: the second is refused in one sentence', async (t) => {
  const agent = await startAgent()
  const error = await t.throwsAsync(startAgent({ folder: agent.folder, socketName: 'second.sock' }))
  t.regex(error?.message ?? '', /PUR_AGENT_BUSY/)
  await agent.stop()
  await removeFolder(agent)
})

async function eventually<Value>(
  look: () => Promise<Value>,
  wanted: (value: Value) => boolean,
): Promise<Value> {
  for (let attempt = 0; ; attempt++) {
    const value = await look()
    if (wanted(value) || attempt === 200) return value
    await systemClock.sleep(50)
  }
}

async function eventsOf(client: ReturnType<typeof createClient>, after = 0): Promise<number[]> {
  const sequences: number[] = []
  for await (const { sequence } of client.events({ after, follow: false })) sequences.push(sequence)
  return sequences
}

function pick({
  uid,
  revision,
  generation,
}: {
  uid: string
  revision: number
  generation: number
}) {
  return { uid, revision, generation }
}

async function post(socketPath: string, path: string, body: unknown, key?: string) {
  const headers = { 'content-type': 'application/json', ...(key && { 'idempotency-key': key }) }
  return await new Promise<{
    status: number
    body: Record<string, never> & { problems: never[]; id: string; code: string }
  }>((resolve, reject) => {
    const call = request({ socketPath, path, method: 'POST', headers }, (response) => {
      let text = ''
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }),
      )
    })
    call.once('error', reject)
    call.end(JSON.stringify(body))
  })
}

test.serial('a change of a group does not wait for rules of NICs that nobody wants', async (t) => {
  const first = await startAgent()
  const image = join(first.folder, 'images/probe')
  await mkdir(image, { recursive: true })
  const files = { kernel: 'kernel', initrd: 'initrd' }
  for (const file of Object.values(files)) await writeFile(join(image, file), '')
  await writeFile(join(image, 'image.json'), JSON.stringify({ ...files, cmdline: '' }))
  const nics = [{ name: 'eth0', portGroup: 'prod', securityGroups: ['web'] }]
  await first.client.apply([
    { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
    {
      kind: 'PortGroup',
      name: 'prod',
      spec: { switch: 'dvs0', subnets: [{ cidr: '10.0.0.0/24' }] },
    },
    group('web'),
    { kind: 'VirtualMachine', name: 'old', spec: { cpus: 1, memoryMiB: 64, image: 'probe', nics } },
  ])
  const proof = () => first.client.enforcement.verify().catch(() => undefined)
  await eventually(proof, (found) => found?.nics === 1 && found.equal)
  await first.stop()
  await removeFolder(first)

  // Another state: nobody wants the NIC, and neither Open vSwitch nor libvirt says who uses it.
  const second = await startAgent()
  const task = await second.client.apply([group('app')])
  t.is((await task.wait({ deadlineMs: 15_000 })).state, 'succeeded')
  const rules = await run('/usr/sbin/nft', ['list', 'table', 'bridge', 'purlin'], {
    timeoutMs: 10_000,
  })
  t.regex(rules.stdout, /ptap-/, 'what is left of it is closed, and stays')
  await second.stop()
  await removeFolder(second)
  for (const family of ['inet', 'bridge']) {
    await run('/usr/sbin/nft', ['delete', 'table', family, 'purlin'], { timeoutMs: 10_000 })
  }
})
