import { access, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import type { FleetHost } from '../test/fleet/host.ts'
import { FleetRig } from '../test/fleet/rig.ts'

const group = (name: string) => ({ kind: 'SecurityGroup', name, spec: {} })

async function eventually(holds: () => Promise<boolean>, limitMs = 30_000): Promise<boolean> {
  const untilMs = systemClock.monotonicMs() + limitMs
  for (;;) {
    if (await holds().catch(() => false)) return true
    if (systemClock.monotonicMs() > untilMs) return false
    await systemClock.sleep(50)
  }
}

const engineOf = async ({ client }: FleetHost): Promise<string | undefined> =>
  (await client.health({ attempts: 1 })).store?.engine

/** Hosts that are alone, each with a file of its own. */
async function aloneHosts(t: ExecutionContext, hosts: number): Promise<FleetRig> {
  const rig = await FleetRig.start({ hosts, members: 0 })
  t.teardown(() => rig.end())
  await rig.startAgents()
  return rig
}

/** A fleet made on the first host, and an etcd by its authority; the state is still in the file. */
async function madeFleet(rig: FleetRig): Promise<readonly string[]> {
  const { client, address } = rig.host(0)
  await client.fleet.init({ name: 'test', listen: `${address}:7443` })
  const made = async () => (await client.fleet.certificate({ name: 'x' })).ca !== ''
  if (!(await eventually(made))) throw new Error('the agent did not come back')
  const { ca, ...server } = await client.fleet.certificate({
    name: 'etcd',
    addresses: ['10.90.0.254'],
  })
  return await rig.startEtcd(server, ca)
}

test.serial(
  'a host becomes a fleet: its file moves into etcd in one call, another joins by a token, and both hold one state',
  async (t) => {
    const rig = await aloneHosts(t, 2)
    const [a, b] = [rig.host(0), rig.host(1)]
    await (await a.client.apply([group('web'), group('app')])).wait()
    const before = await a.client.securityGroups.list()
    const endpoints = await madeFleet(rig)
    const { entries } = await a.client.fleet.moveStore({ endpoints: [...endpoints] })
    t.true(entries > 4)
    t.true(await eventually(async () => (await engineOf(a)) === 'etcd'))
    const pick = (groups: typeof before) =>
      groups.map(({ name, uid, generation, spec }) => ({ name, uid, generation, spec }))
    t.deepEqual(pick(await a.client.securityGroups.list()), pick(before))
    await access(join(a.stateFolder, 'state.db.left'))
    await t.throwsAsync(access(join(a.stateFolder, 'state.db')))

    const server = `https://${a.address}:7443`
    const { token } = await a.client.fleet.token({ host: 'host-b' })
    const joined = await b.client.fleet.join({ server, token, listen: `${b.address}:7443` })
    t.is(joined.fleet, 'test')
    t.true(await eventually(async () => (await engineOf(b)) === 'etcd'))
    t.deepEqual(pick(await b.client.securityGroups.list()), pick(before))
    await (await b.client.apply([group('late')])).wait({ deadlineMs: 20_000 })
    t.is((await a.client.securityGroups.list()).length, 3)
    t.true(await eventually(async () => (await a.client.hosts.list()).length === 2))
    for (const file of ['fleet/host.key', 'fleet/fleet.json', 'fleet/ca.pem']) {
      t.is((await stat(join(b.stateFolder, file))).mode & 0o777, 0o600, file)
    }
    await t.throwsAsync(access(join(b.stateFolder, 'fleet/ca.key')))
    for (const host of [a, b]) {
      const log = await host.log()
      t.false(log.includes(token.split('.')[2] ?? ''))
      t.false(log.includes('PRIVATE KEY'))
    }
    // A host proves itself to another one by its certificate; a stranger has no role.
    const ask = async (...proof: string[]): Promise<string> => {
      const words = ['--silent', '--cacert', join(b.stateFolder, 'fleet/ca.pem'), '--tlsv1.3']
      return (await b.run('curl', [...words, ...proof, `${server}/v1/security-groups`])).stdout
    }
    const files = ['host.pem', 'host.key'].map((name) => join(b.stateFolder, 'fleet', name))
    const [certificate = '', key = ''] = files
    t.is(JSON.parse(await ask('--cert', certificate, '--key', key)).items.length, 3)
    t.is(JSON.parse(await ask()).code, 'PUR_AUTH_REQUIRED')
    const old = ['--silent', '--insecure', '--tls-max', '1.2', '--output', '/dev/null', server]
    await t.throwsAsync(b.run('curl', old), { code: 'PUR_EXEC_FAILED' })

    await t.throwsAsync(a.client.fleet.removeHost('host-b'), { code: 'PUR_RESOURCE_IN_USE' })
    await b.stopAgent()
    await a.client.fleet.removeHost('host-b')
    await b.startAgent()
    const refused = () =>
      b.client.apply([group('no')], { attempts: 1 }).then(
        () => undefined,
        (thrown: { code?: string }) => thrown.code,
      )
    t.true(await eventually(async () => (await refused()) === 'PUR_HOST_REMOVED'))
    t.is(JSON.parse(await ask('--cert', certificate, '--key', key)).code, 'PUR_AUTH_REQUIRED')
  },
)

test.serial('a token is good once, for its host, and no other words let anybody in', async (t) => {
  const rig = await aloneHosts(t, 3)
  const [a, b, c] = [rig.host(0), rig.host(1), rig.host(2)]
  const server = `https://${a.address}:7443`
  const endpoints = await madeFleet(rig)
  await t.throwsAsync(a.client.fleet.token(), { code: 'PUR_FLEET_STATE' })
  await a.client.fleet.moveStore({ endpoints: [...endpoints], prefix: '/purlin/two' })
  t.true(await eventually(async () => (await engineOf(a)) === 'etcd'))
  const order = (token: string, host: FleetHost) => ({
    server,
    token,
    listen: `${host.address}:7443`,
  })
  const { token } = await a.client.fleet.token({ host: 'host-b' })
  await t.throwsAsync(c.client.fleet.join(order(token, c)), { code: 'PUR_FLEET_TOKEN' })
  const [head = '', id = '', secret = '', authority = ''] = token.split('.')
  const wrong = [head, id, secret.replace(/^./, (one) => (one === 'A' ? 'B' : 'A')), authority]
  await t.throwsAsync(b.client.fleet.join(order(wrong.join('.'), b)), { code: 'PUR_FLEET_TOKEN' })
  const foreign = [head, id, secret, 'f'.repeat(64)].join('.')
  const error = await t.throwsAsync(b.client.fleet.join(order(foreign, b)))
  t.regex(error?.message ?? '', /another certificate authority than the token says/)
  await (await b.client.apply([group('own')])).wait()
  await t.throwsAsync(b.client.fleet.join(order(token, b)), { code: 'PUR_HOST_OCCUPIED' })
  await b.client.fleet.join({ ...order(token, b), discard: true })
  t.true(await eventually(async () => (await engineOf(b)) === 'etcd'))
  t.deepEqual(await b.client.securityGroups.list(), [])
  await t.throwsAsync(c.client.fleet.join(order(token, c)), { code: 'PUR_FLEET_TOKEN' })
  await t.throwsAsync(b.client.fleet.token(), { code: 'PUR_FLEET_NO_AUTHORITY' })
})

test.serial(
  'a move into a prefix that is not empty, or to an etcd that is away, changes nothing',
  async (t) => {
    const rig = await aloneHosts(t, 2)
    const [a, b] = [rig.host(0), rig.host(1)]
    await (await a.client.apply([group('web')])).wait()
    await t.throwsAsync(a.client.fleet.moveStore({ endpoints: ['https://10.90.0.254:1'] }), {
      code: 'PUR_FLEET_STATE',
    })
    const endpoints = [...(await madeFleet(rig))]
    await t.throwsAsync(a.client.fleet.moveStore({ endpoints: ['https://10.90.0.254:1'] }), {
      code: 'PUR_STORE_UNREACHABLE',
    })
    t.is(await engineOf(a), 'sqlite')
    await a.client.fleet.moveStore({ endpoints })
    t.true(await eventually(async () => (await engineOf(a)) === 'etcd'))
    // A second fleet that was given the same etcd and the same prefix.
    await b.client.fleet.init({ name: 'other', listen: `${b.address}:7443` })
    t.true(
      await eventually(async () => (await b.client.fleet.certificate({ name: 'x' })).key !== ''),
    )
    const files = ['ca.pem', 'host.pem', 'host.key'].map((name) =>
      join(a.stateFolder, 'fleet', name),
    )
    const [ca = '', certificate = '', key = ''] = files
    await t.throwsAsync(b.client.fleet.moveStore({ endpoints, ca, certificate, key }), {
      code: 'PUR_STORE_OCCUPIED',
    })
    t.is(await engineOf(b), 'sqlite')
    await (await b.client.apply([group('still')])).wait()
    t.deepEqual(
      (await a.client.securityGroups.list()).map(({ name }) => name),
      ['web'],
    )
    t.regex(await readFile(join(a.stateFolder, 'fleet/fleet.json'), 'utf8'), /10\.90\.0\.254/)
  },
)
