import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import { routerDevice } from '@purlin/schema'
import test from 'ava'
import { createVswitchDriver } from '../src/index.ts'
import { answerOf, askingCommand } from './support/asking.ts'
import { type Machine, startHost, type TestHost, until } from './support/host.ts'
import { planNow, reconcileOnce } from './support/reconcile.ts'
import { addressesOf, type Placed, portNameOf, routedHost, routerOf } from './support/routed.ts'
import { dvs0, keyOf, macOf, nothing } from './support/scenario.ts'

const PEER = fileURLToPath(new URL('./support/peer.ts', import.meta.url))
const NEXT_HOPS = ['192.0.2.1', '2001:db8::1']
const FAR = ['198.51.100.7', '2001:db8:f::7'] as const
const OWN = ['192.0.2.11', '2001:db8::11'] as const
const FLOATING = ['192.0.2.50', '2001:db8::50'] as const
const FORWARDED = ['192.0.2.80', '2001:db8::80'] as const

const webOne: Placed = { number: 50, portGroup: 'web', host: 'one' }
const webTwo: Placed = { number: 51, portGroup: 'web', host: 'one' }
const dbOne: Placed = { number: 60, portGroup: 'db', host: 'one' }
/** Stands for the physical router of the external network, and for what is behind it. */
const outside: Placed = { number: 1, portGroup: 'public', host: 'one' }
const placed = [webOne, webTwo, dbOne, outside]

const edge = routerOf({
  portGroups: ['web', 'db'],
  routes: [{ to: '10.99.0.0/24', via: '10.2.0.60' }],
  external: {
    portGroup: 'public',
    nextHops: NEXT_HOPS,
    hosts: [{ host: 'one', addresses: OWN }],
  },
  portForwards: FORWARDED.map((address) => ({
    address,
    protocol: 'tcp',
    ports: '8080',
    to: portNameOf(51),
    toPort: 80,
  })),
  floatingAddresses: FLOATING.map((address) => ({ address, to: portNameOf(60) })),
})
const desired = routedHost('one', placed, [edge], dvs0)

let host: TestHost
let driver: ReturnType<typeof createVswitchDriver>
const machines = new Map<number, Machine>()
const servers: ChildProcess[] = []

const at = (placed: Placed): Machine => {
  const machine = machines.get(placed.number)
  if (machine === undefined) throw new Error(`no machine ${placed.number}`)
  return machine
}

/** What the other end of a connection saw, or null: `FROM PORT TO PORT`. */
async function ask(from: Placed, address: string, port: number): Promise<readonly string[] | null> {
  return answerOf((await at(from).command(...askingCommand(address, port))).stdout)
}

async function serveOn(placed: Placed, ...ports: readonly number[]): Promise<void> {
  const { namespace } = at(placed)
  const words = [`--net=${namespace}`, '--', process.execPath, PEER, 'serve', ...ports.map(String)]
  const child = spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  servers.push(child)
  await new Promise((resolve) => child.stdout.once('data', resolve))
}

/** Addresses and default routes of a machine, as it would have them by DHCP and advertisements. */
async function address(machine: Machine, placed: Placed): Promise<void> {
  const [four, six] = addressesOf(placed)
  const net = placed.portGroup === 'web' ? 1 : 2
  const commands = [
    ['address', 'add', `${four}/24`, 'dev', 'eth0'],
    ['address', 'add', `${six}/64`, 'dev', 'eth0', 'nodad'],
    ...(placed.portGroup === 'public'
      ? []
      : [
          ['route', 'add', 'default', 'via', `10.${net}.0.1`],
          ['-6', 'route', 'add', 'default', 'via', `fd0${net}::1`],
        ]),
  ]
  for (const words of commands) await machine.command('ip', ...words)
}

test.before(async () => {
  host = await startHost()
  driver = createVswitchDriver({
    databaseSocket: host.databaseSocket,
    datapath: 'auto',
    runFolder: host.runFolder,
  })
  for (let round = 0; round < 3; round++) await reconcileOnce(driver, desired)
  for (const one of placed) {
    const machine = await host.machine(keyOf(one.number), macOf(one.number))
    machines.set(one.number, machine)
    await host.plug(machine)
    await address(machine, one)
    await machine.command('ip', 'link', 'set', 'lo', 'up')
  }
  for (const far of FAR) {
    await at(outside).command('ip', 'address', 'add', far, 'dev', 'lo')
  }
  await serveOn(outside, 80)
  await serveOn(webTwo, 80)
  await serveOn(dbOne, 80, 22)
})

test.after.always(async () => {
  for (const server of servers) server.kill('SIGKILL')
  await reconcileOnce(driver, nothing).catch(() => {})
  driver.close()
  await host.stop()
})

test.serial('a router stands after a round, and then nothing is left to do', async (t) => {
  t.deepEqual(await planNow(driver, desired), [])
})

test.serial(
  'machines of joined port groups reach each other with their own addresses',
  async (t) => {
    for (const [index, to] of addressesOf(dbOne).entries()) {
      const seen = await ask(webOne, to, 80)
      t.is(seen?.[0], addressesOf(webOne)[index])
      t.is(seen?.[2], to)
    }
    t.true(await at(webOne).reaches('10.2.0.1'), 'the gateway of the other port group')
    t.true(await at(dbOne).reaches('fd01::1'))
  },
)

test.serial('a static route leads through a machine of a port group', async (t) => {
  await at(dbOne).command('ip', 'address', 'add', '10.99.0.9/32', 'dev', 'lo')
  t.is((await ask(webOne, '10.99.0.9', 80))?.[0], addressesOf(webOne)[0])
})

test.serial(
  'what goes out leaves under the host’s address, or the machine’s floating one',
  async (t) => {
    for (const [index, far] of FAR.entries()) {
      t.is((await ask(webOne, far, 80))?.[0], OWN[index])
      t.is((await ask(dbOne, far, 80))?.[0], FLOATING[index])
    }
  },
)

test.serial('a floating address and a forwarded port lead in, and nothing else does', async (t) => {
  for (const index of [0, 1] as const) {
    const inward = await ask(outside, FLOATING[index], 22)
    t.is(inward?.[0], addressesOf(outside)[index], 'the machine sees who asks')
    t.is(inward?.[2], addressesOf(dbOne)[index])
    t.is((await ask(outside, FORWARDED[index], 8080))?.[2], addressesOf(webTwo)[index])
    t.is(await ask(outside, FORWARDED[index], 80), null, 'a port that is not forwarded')
  }
  const { namespace } = at(outside)
  const way = [`--net=${namespace}`, 'ip', 'route', 'add', '10.1.0.0/24', 'via', OWN[0]]
  await run('nsenter', way, { timeoutMs: 5_000 })
  t.is(await ask(outside, '10.1.0.51', 80), null, 'nobody outside begins a flow unasked')
})

test.serial('a machine reaches its neighbours by their external addresses too', async (t) => {
  for (const index of [0, 1] as const) {
    t.is((await ask(webOne, FLOATING[index], 22))?.[2], addressesOf(dbOne)[index])
    t.is((await ask(webOne, FORWARDED[index], 8080))?.[2], addressesOf(webTwo)[index])
  }
})

test.serial('routed frames pass the bridge of the sender and that of the receiver', async (t) => {
  // Before br_netfilter takes the frames: of older kernels it gives none back to chains at 0.
  const chains = [webOne, dbOne].map(({ number }) => {
    const tap = `ptap-${keyOf(number)}`
    return `chain c${number} { type filter hook forward priority -100
      iifname "${tap}" ip daddr 10.2.0.60 tcp dport 80 counter
      oifname "${tap}" ip saddr 10.1.0.50 tcp dport 80 counter
    }`
  })
  const table = `table bridge seen {\n${chains.join('\n')}\n}\n`
  await run('nft', ['-f', '-'], { timeoutMs: 5_000, input: table })
  t.truthy(await ask(webOne, '10.2.0.60', 80))
  const { stdout } = await run('nft', ['list', 'table', 'bridge', 'seen'], { timeoutMs: 5_000 })
  await run('nft', ['delete', 'table', 'bridge', 'seen'], { timeoutMs: 5_000 })
  const counted = [...stdout.matchAll(/counter packets (\d+)/g)].map(([, count]) => Number(count))
  t.deepEqual(
    counted.map((count) => count > 0),
    [true, false, false, true],
    stdout,
  )
})

test.serial('names of the world come through the router to the forwarder', async (t) => {
  // Nobody answers there: local names do not wait for it.
  t.deepEqual(await at(webOne).client('dns', '10.1.0.1', 'vm-51.web.example', 'A'), ['10.1.0.51'])
  const outside = at(webOne).client('dns', '10.1.0.1', 'example.org', 'A')
  t.deepEqual(await at(webTwo).client('dns', '10.1.0.1', 'vm-50.web.example', 'A'), ['10.1.0.50'])
  t.true(['ETIMEOUT', 'ECONNREFUSED', 'EREFUSED', 'ESERVFAIL'].includes(String(await outside)))
})

test.serial(
  'a change leaves what stands, and a translated connection lives through it',
  async (t) => {
    const talking = at(dbOne).command(process.execPath, PEER, 'talk', FAR[0], '80', '40', '50')
    const more = [...placed, { number: 52, portGroup: 'web', host: 'one' }]
    const before = await holderOf()
    await reconcileOnce(driver, routedHost('one', more, [edge], dvs0))
    await reconcileOnce(driver, desired)
    t.deepEqual(await planNow(driver, desired), [])
    t.is(await holderOf(), before)
    t.is(JSON.parse((await talking).stdout), 40)
  },
)

test.serial('a floating address that is taken away ends its connections', async (t) => {
  const talking = at(outside).command(process.execPath, PEER, 'talk', FLOATING[0], '22', '40', '50')
  await until(async () => (await connections()).includes(FLOATING[0]))
  const without = routerOf({ ...edge.spec, floatingAddresses: [] })
  await reconcileOnce(driver, routedHost('one', placed, [without], dvs0))
  t.true(JSON.parse((await talking).stdout) < 40)
  t.is(await ask(outside, FLOATING[0], 22), null)
  await reconcileOnce(driver, desired)
  t.truthy(await ask(outside, FLOATING[0], 22))
})

test.serial('a router’s namespace, a cable or a port that is lost is made again', async (t) => {
  const drifts: Readonly<Record<string, () => Promise<unknown>>> = {
    'the namespace': async () => process.kill(await holderOf(), 'SIGKILL'),
    'the external cable': () =>
      run('ip', ['link', 'delete', routerDevice('edge')], { timeoutMs: 5_000 }),
    'the external port': () => host.vsctl('--no-wait', 'del-port', routerDevice('edge')),
    'the namespace of a port group': async () =>
      process.kill(await holderOf('port-groups/web'), 'SIGKILL'),
    'a leg': async () => {
      const leg = ['ip', 'link', 'delete', 'rt0']
      const holder = await holderOf('port-groups/db')
      await run('nsenter', [`--net=/proc/${holder}/ns/net`, ...leg], { timeoutMs: 5_000 })
    },
  }
  for (const [what, drift] of Object.entries(drifts)) {
    await drift()
    await until(async () => (await planNow(driver, desired)).length > 0, 5_000)
    for (let round = 0; round < 3; round++) await reconcileOnce(driver, desired)
    t.deepEqual(await planNow(driver, desired), [], what)
    t.is((await ask(webOne, '10.2.0.60', 80))?.[0], '10.1.0.50', what)
    t.is((await ask(webOne, FAR[0], 80))?.[0], OWN[0], what)
  }
})

test.serial('a port group that leaves the router is reached no more, and served on', async (t) => {
  const without = routerOf({ ...edge.spec, portGroups: ['web'], routes: [], floatingAddresses: [] })
  const alone = routedHost('one', placed, [without], dvs0)
  await reconcileOnce(driver, alone)
  t.deepEqual(await planNow(driver, alone), [])
  t.false(await at(webOne).reaches('10.2.0.60'))
  t.true(await at(dbOne).reaches('10.2.0.1'))
  t.is((await ask(webOne, FAR[0], 80))?.[0], OWN[0])
  const none = routedHost('one', placed, [], dvs0)
  await reconcileOnce(driver, none)
  t.deepEqual(await planNow(driver, none), [])
  t.false(await at(webOne).reaches(FAR[0]))
  t.true(await at(webOne).reaches('10.1.0.1'))
  await reconcileOnce(driver, desired)
})

test.serial('nothing of a router is left when nothing is wanted', async (t) => {
  for (let round = 0; round < 2; round++) await reconcileOnce(driver, nothing)
  t.deepEqual(await planNow(driver, nothing), [])
  const { stdout } = await run('ip', ['link', 'show'], { timeoutMs: 5_000 })
  t.notRegex(stdout, /prx-/)
})

async function holderOf(of = 'routers/edge'): Promise<number> {
  return JSON.parse(await readFile(`${host.runFolder}/${of}/holder.json`, 'utf8')).processId
}

async function connections(): Promise<string> {
  const words = [`--net=/proc/${await holderOf()}/ns/net`, 'conntrack', '-L']
  return (await run('nsenter', words, { timeoutMs: 5_000 })).stdout
}
