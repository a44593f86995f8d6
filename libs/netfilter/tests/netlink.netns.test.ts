import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { compile } from '../src/compile/compile.ts'
import type { NetfilterDesired } from '../src/index.ts'
import {
  type Change,
  type LoggedPacket,
  loadChanges,
  openNetfilterSocket,
  type ReadTable,
  type RulesetChange,
  type TraceStep,
} from '../src/netlink/index.ts'
import { hostObjects } from '../src/target/host-objects.ts'
import { loadScript } from '../src/target/load-script.ts'
import { LOG_GROUP } from '../src/target/log.ts'
import { tableFamilies } from '../src/target/names.ts'
import { only, type SetShape, type TableObjects } from '../src/target/statement.ts'
import { Generator } from '../src/testing/generator.ts'
import { randomDesired } from '../src/testing/random-policy.ts'
import { desiredOf, sampleDesired, sampleGroup, sampleNic } from '../src/testing/sample.ts'
import { host, NFT, nft } from './support/lab.ts'

const kernel = openNetfilterSocket()
const LOOPBACK_PORT = 45_451
const ZONE = 77

test.before(async () => {
  await host('ip', 'link', 'set', 'lo', 'up')
})

test.afterEach.always(async () => {
  for (const table of ['inet purlin', 'bridge purlin', 'inet other']) {
    await nft(`add table ${table}\ndelete table ${table}`)
  }
})

test.after.always(() => {
  kernel.close()
})

const members: SetShape = {
  table: 'inet',
  name: 'group-x-ipv4',
  key: ['ipv4_addr'],
  interval: false,
  counter: false,
}
const addTable: Change = { change: 'add-table', table: 'inet' }
const addMembers: Change = { change: 'add-set', set: members }
const addMember = (address: bigint): Change => {
  return { change: 'add-elements', set: members, elements: [{ key: [only(address)] }] }
}

/** What a policy may say at its edges: every guard and switch off, networks beside the own
 *  addresses, rules that log, the lowest and the highest addresses. */
const edges: NetfilterDesired = desiredOf(
  [
    {
      ...sampleNic('a', ['web']),
      allowedAddresses: ['10.77.0.0/16', '52:54:00:11:22:33', 'fd99::/61', '10.5.5.5'],
      servers: [{ mac: '52:54:00:aa:aa:aa', address: '10.9.0.1' }],
    },
    {
      ...sampleNic('b', ['web']),
      ipv4: [],
      allowedAddresses: ['0.0.0.0/0', '::/0'],
      guards: { ...sampleNic('b', []).guards, mac: false, arp: false, router: false },
      alwaysOpen: { ...sampleNic('b', []).alwaysOpen, dhcpRequests: false, icmpErrors: false },
    },
  ],
  {
    web: sampleGroup({
      inbound: [
        {
          family: 'ipv4',
          protocol: 'tcp',
          ports: ['80', '443', '8000-8010'],
          source: { cidrs: ['10.0.0.0/8', '192.168.0.0/20'], self: true },
          action: 'deny',
          log: true,
        },
        {
          family: 'ipv6',
          protocol: 'icmp',
          icmp: { type: 128, code: 0 },
          action: 'allow',
          log: true,
        },
        { family: 'ipv4', protocol: 'icmp', icmp: { type: 8 }, action: 'allow' },
        { family: 'ipv4', protocol: 47, action: 'allow' },
        {
          family: 'ipv6',
          protocol: 'sctp',
          ports: ['5'],
          source: {
            ranges: ['fd00::1-fd00::99', 'ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
          },
          action: 'allow',
        },
        {
          family: 'ipv4',
          protocol: 'udp',
          ports: ['0-9', '65535'],
          source: { ranges: ['255.0.0.0-255.255.255.255', '0.0.0.0-0.0.0.9'] },
          action: 'allow',
        },
      ],
    }),
  },
)

test.serial('what nft loads as text and what we send by netlink is one and the same', async (t) => {
  const policies = [sampleDesired, edges, ...[1, 2, 3].map((seed) => random(seed))]
  for (const form of ['linear', 'identity'] as const) {
    for (const desired of policies) {
      const objects = hostObjects(compile(desired, { form }), () => 0)
      await nft(loadScript(objects))
      const fromText = await kernel.readTables()
      const shownText = await host(NFT, 'list', 'ruleset')
      await deleteTables()
      await kernel.commit(loadChanges(objects))
      const fromLink = await kernel.readTables()
      t.is(await host(NFT, 'list', 'ruleset'), shownText)
      t.deepEqual(contentOf(fromLink.tables), contentOf(fromText.tables))
      isAsWritten(t, fromLink.tables, objects)
      await deleteTables()
    }
  }
})

function random(seed: number): NetfilterDesired {
  return randomDesired(new Generator(seed))
}

async function deleteTables(): Promise<void> {
  await kernel.commit(tableFamilies.map((table) => ({ change: 'delete-table', table })))
}

/** Everything but handles, in order. */
function contentOf(tables: ReadonlyMap<string, ReadTable>): unknown {
  return [...tables.values()].map(({ table, owned, chains, sets, foreign }) => ({
    table,
    owned,
    foreign,
    chains: [...chains].toSorted(byKey),
    sets: [...sets].toSorted(byKey).map(([key, { elements, ...shape }]) => {
      return [key, shape, [...elements].toSorted(byKey)]
    }),
  }))
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}

function isAsWritten(
  t: ExecutionContext,
  tables: ReadonlyMap<string, ReadTable>,
  { chains, sets }: TableObjects,
): void {
  const found = [...tables.values()]
  t.deepEqual(
    found.flatMap(({ foreign }) => foreign),
    [],
  )
  t.deepEqual(new Map(found.flatMap((table) => [...table.chains]).toSorted(byKey)), ordered(chains))
  const read = found.flatMap((table) => [...table.sets])
  t.deepEqual(read.map(([key]) => key).toSorted(), [...sets.keys()].toSorted())
  for (const [key, { elements, ...shape }] of read) {
    const { elements: wanted, ...wantedShape } = sets.get(key) ?? { elements: new Map() }
    t.deepEqual<unknown, unknown>(shape, wantedShape)
    t.deepEqual(ordered(elements), ordered(wanted))
  }
}

function ordered<Value>(map: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> {
  return new Map([...map].toSorted(byKey))
}

test.serial('a refused change is named, and nothing of its transaction is done', async (t) => {
  const element = {
    key: [only(0x5000_0001)],
    value: { verdict: 'jump', chain: 'nowhere' },
  } as const
  const map: SetShape = { ...members, name: 'dispatch', key: ['mark'], value: 'verdict' }
  const error = await t.throwsAsync(
    kernel.commit([
      addTable,
      { change: 'add-set', set: map },
      { change: 'add-elements', set: map, elements: [element] },
    ]),
  )
  t.like(error, { code: 'PUR_NFT_REFUSED', context: { errors: ['ENOENT'] } })
  t.regex(error?.message ?? '', /add elements \(1\) of inet\/dispatch: ENOENT/)
  t.is((await kernel.readTables()).tables.size, 0)
})

test.serial('a transaction onto a generation that is gone does nothing', async (t) => {
  const seen = await kernel.commit([addTable, addMembers])
  t.is(await kernel.generation(), seen)
  t.is(await kernel.commit([addMember(1n)], { onto: seen }), await kernel.generation())
  const late = kernel.commit([addMember(2n)], { onto: seen })
  t.like(await t.throwsAsync(late), { code: 'PUR_NFT_CONCURRENT' })
  t.deepEqual(await kernel.readElements(members), [{ key: [only(1n)] }])
})

test.serial('many calls at once are answered each for itself', async (t) => {
  await kernel.commit([addTable, addMembers])
  await Promise.all(Array.from({ length: 200 }, (_, at) => kernel.commit([addMember(BigInt(at))])))
  t.is((await kernel.readElements(members)).length, 200)
})

test.serial('a whole host of ten thousand elements is one transaction', async (t) => {
  const elements = Array.from({ length: 20_000 }, (_, at) => ({ key: [only(BigInt(at))] }))
  await kernel.commit([addTable, addMembers, { change: 'add-elements', set: members, elements }])
  t.is((await kernel.readElements(members)).length, elements.length)
})

test.serial('a call that was given up beforehand is not made', async (t) => {
  const given = kernel.commit([addTable], { signal: AbortSignal.abort() })
  t.like(await t.throwsAsync(given), { code: 'PUR_CANCELLED' })
  t.is((await kernel.readTables()).tables.size, 0)
})

test.serial(
  'changes are told with who made them; of tables of others no more than that',
  async (t) => {
    const seen: RulesetChange[] = []
    const stop = kernel.watchRules((change) => seen.push(change))
    await kernel.commit([addTable, addMembers])
    await nft('add table inet other\nadd chain inet other c')
    await nft('add element inet purlin group-x-ipv4 { 10.0.0.1 }')
    const told = await until(() => seen.length >= 3)
    stop()
    t.true(told)
    t.deepEqual(
      seen.map(({ own, objects, lost }) => ({ own, objects, lost })),
      [
        { own: true, objects: ['table inet', 'set inet/group-x-ipv4'], lost: false },
        { own: false, objects: [], lost: false },
        { own: false, objects: ['element inet/group-x-ipv4'], lost: false },
      ],
    )
    t.is(seen[2]?.processName, 'nft')
  },
)

test.serial('what is committed unheard is not told; what others commit after it is', async (t) => {
  const seen: RulesetChange[] = []
  const stop = kernel.watchRules((change) => seen.push(change))
  const made = await kernel.commit([addTable, addMembers], { unheard: true })
  await kernel.commit([addMember(1n)], { onto: made, unheard: true })
  await nft('add element inet purlin group-x-ipv4 { 10.0.0.1 }')
  const told = await until(() => seen.length > 0)
  stop()
  t.true(told)
  t.deepEqual(
    seen.map(({ generation, objects, lost }) => ({ generation, objects, lost })),
    [{ generation: made + 2, objects: ['element inet/group-x-ipv4'], lost: false }],
  )
})

test.serial(
  'a socket is closed while calls on it have not ended: they end, and nothing throws',
  async (t) => {
    const rounds = 150
    let ended = 0
    for (let round = 0; round < rounds; round++) {
      const socket = openNetfilterSocket()
      const calls = [socket.generation(), socket.listConnections(), socket.generation()]
      const outcomes = Promise.allSettled(calls)
      // Before the first call has begun, while it runs, and after it.
      if (round % 3 > 0) await Promise.resolve()
      if (round % 3 > 1) await sleep(0)
      t.notThrows(() => socket.close())
      for (const outcome of await outcomes) {
        if (outcome.status === 'rejected') t.is(outcome.reason.code, 'PUR_CANCELLED')
        ended++
      }
    }
    t.is(ended, rounds * 3)
  },
)

test.serial('a foreign rule in our table is told as such', async (t) => {
  await kernel.commit([addTable, { change: 'add-chain', chain: { table: 'inet', name: 'c' } }])
  await nft('add rule inet purlin c meta skuid 0 accept')
  const { tables } = await kernel.readTables(['inet'])
  t.regex(tables.get('inet')?.foreign.join() ?? '', /^rule inet\/c \d+: meta cmp immediate$/)
})

test.serial('connections are listed by zone, and exactly the named ones are deleted', async (t) => {
  await nft(
    [
      'add table inet other',
      'add chain inet other o { type filter hook output priority -310; }',
      'add chain inet other p { type filter hook prerouting priority -310; }',
      `add rule inet other o oifname "lo" udp dport >= ${LOOPBACK_PORT} ct zone set ${ZONE}`,
      `add rule inet other p iifname "lo" udp dport >= ${LOOPBACK_PORT} ct zone set ${ZONE}`,
      'add chain inet other t { type filter hook input priority 0; }',
      'add rule inet other t ct state new accept',
    ].join('\n'),
  )
  await sendFrom(40_001, '127.0.0.1', LOOPBACK_PORT)
  await sendFrom(40_002, '127.0.0.1', LOOPBACK_PORT)
  await sendFrom(40_003, '::1', LOOPBACK_PORT)
  const zones = new Set([ZONE])
  const listed = await kernel.listConnections({ zones })
  const ports = listed.map(({ original }) => original.sourcePort ?? 0).toSorted()
  t.deepEqual(ports, [40_001, 40_002, 40_003])
  t.like(
    listed.find(({ original }) => original.sourcePort === 40_001),
    {
      zone: ZONE,
      original: {
        family: 'ipv4',
        source: 0x7f00_0001n,
        destination: 0x7f00_0001n,
        protocol: 17,
        destinationPort: LOOPBACK_PORT,
      },
    },
  )
  const gone = listed.filter(({ original }) => original.sourcePort !== 40_002)
  t.is(await kernel.deleteConnections(gone), 2)
  t.is(await kernel.deleteConnections(gone), 0)
  const left = await kernel.listConnections({ zones })
  t.deepEqual(
    left.map(({ original }) => original.sourcePort),
    [40_002],
  )
  const other = left.map((entry) => ({ ...entry, id: entry.id ^ 1 }))
  t.is(await kernel.deleteConnections(other), 0)
  t.is((await kernel.listConnections({ zones })).length, 1)
})

test.serial('logged packets and traced packets are heard of with their headers', async (t) => {
  const logged: LoggedPacket[] = []
  const traced: TraceStep[] = []
  const stopLogs = await kernel.watchLogs(LOG_GROUP, (packet) => logged.push(packet))
  const stopTraces = kernel.watchTraces((step) => traced.push(step))
  await t.throwsAsync(
    openNetfilterSocket().watchLogs(LOG_GROUP, () => undefined),
    { code: 'PUR_NFT_REFUSED' },
  )
  await nft(
    [
      'add table inet other',
      'add chain inet other i { type filter hook input priority 0; }',
      `add rule inet other i udp dport ${LOOPBACK_PORT} meta mark set 0x12 meta nftrace set 1`,
      `add rule inet other i udp dport ${LOOPBACK_PORT} log prefix "here" group ${LOG_GROUP}`,
    ].join('\n'),
  )
  await sendFrom(40_004, '::1', LOOPBACK_PORT)
  const heard = await until(() => logged.length > 0 && traced.length > 1)
  stopLogs()
  stopTraces()
  t.true(heard)
  const packet = {
    family: 'ipv6',
    source: 1n,
    destination: 1n,
    protocol: 17,
    sourcePort: 40_004,
    destinationPort: LOOPBACK_PORT,
  } as const
  t.like(logged[0], { prefix: 'here', mark: 0x12, packet, lengthBytes: 49 })
  t.like(traced[0], { table: 'other', family: 'inet', chain: 'i', packet })
})

async function sendFrom(port: number, address: string, to: number): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => socket.bind(port, resolve))
  await new Promise((resolve) => socket.send('x', to, address, resolve))
  socket.close()
}

/** Waits until it holds, at most five seconds. */
async function until(holds: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    if (holds()) return true
    await sleep(50)
  }
  return holds()
}
