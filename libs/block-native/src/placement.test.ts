import { type ErrorCode, PurlinError } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import {
  type PlacementDisk,
  PlacementTable,
  type PlacementTopology,
  type PoolPlacement,
  placementOffers,
  redundancyText,
} from './index.ts'

const GIB = 2 ** 30

const topology: PlacementTopology = {
  roots: [
    {
      datacenter: 'dc1',
      rooms: [
        {
          room: 'r1',
          racks: ['k1', 'k2', 'k3'].map((rack, i) => ({ rack, servers: [`s${i + 1}`] })),
        },
      ],
    },
  ],
}

/** `each` disks in every server, numbered from 0. */
function disks(each: number, sizeGiB = 2): readonly PlacementDisk[] {
  return Array.from({ length: 3 * each }, (_, id) => ({
    ...{ id, capacityBytes: sizeGiB * GIB, media: 'ssd' as const },
    server: `s${(id % 3) + 1}`,
  }))
}

const folded: PoolPlacement = {
  ...{ topology, disks: disks(2), redundancy: { erasure: '4+2:1' }, faultDomain: 'server' },
}

function refuses(t: ExecutionContext, code: ErrorCode, sentence: string, call: () => unknown) {
  const error = t.throws(call, { instanceOf: PurlinError })
  t.is(error?.code, code)
  t.is(error?.message, sentence)
}

test('only what the disks can hold is offered, the rest is refused with what it lacks', (t) => {
  const { offers, refusals } = placementOffers(topology, disks(2))
  const texts = offers
    .filter(({ faultDomain }) => faultDomain === 'server')
    .map(({ redundancy }) => redundancyText(redundancy))
  t.deepEqual(texts, ['replicas 1', 'replicas 2', 'replicas 3', '2+1', '4+2:1'])
  const offer = offers.find(
    ({ redundancy, faultDomain }) =>
      redundancyText(redundancy) === '4+2:1' && faultDomain === 'server',
  )
  t.like(offer, {
    ...{ domains: 3, domainsMin: 3, shardsPerDomain: 2, spareDomains: 0, strandedBytes: 0 },
    survives: { domains: 1, disks: 2 },
    usableBytes: 8 * GIB,
  })
  const refused = refusals.find(
    ({ redundancy, faultDomain }) => redundancyText(redundancy) === '4+2' && faultDomain === 'rack',
  )
  t.is(refused?.reason, '4+2 over racks needs 6 of them, and these disks stand in 3')
  t.is(offers.length + refusals.length, 4 * 12)
})

test('what is asked for beside the reference’s policies is offered as well', (t) => {
  const { offers } = placementOffers(topology, disks(2), [{ erasure: '3+2' }])
  const texts = offers.map(({ redundancy, faultDomain }) => [
    redundancyText(redundancy),
    faultDomain,
  ])
  t.true(texts.some(([text, level]) => text === '3+2' && level === 'disk'))
})

test('a limit of the topology is refused with the path of its field', (t) => {
  const servers = Array.from({ length: 21 }, (_, i) => `s${i}`)
  const wide = {
    roots: [{ datacenter: 'd', rooms: [{ room: 'r', racks: [{ rack: 'k', servers }] }] }],
  }
  refuses(
    t,
    'PUR_BLOCK_TOPOLOGY',
    'roots[0].rooms[0].racks[0].servers: 21 servers, and at most 20 can be managed',
    () => placementOffers(wide, disks(1)),
  )
  refuses(
    t,
    'PUR_BLOCK_TOPOLOGY',
    'disks[1].server: the topology has no server elsewhere; add it to a rack',
    () => placementOffers(topology, [...disks(1).slice(0, 1), { ...disks(1)[0], ...elsewhere }]),
  )
})

const elsewhere: PlacementDisk = { id: 9, server: 'elsewhere', capacityBytes: GIB, media: 'hdd' }

test('a pool that its disks cannot hold, and a policy that is none, are refused', (t) => {
  refuses(
    t,
    'PUR_BLOCK_PLACEMENT',
    '8+3 over servers needs 11 of them, and these disks stand in 3',
    () => PlacementTable.create({ ...folded, redundancy: { erasure: '8+3' } }),
  )
  refuses(t, 'PUR_BLOCK_PLACEMENT', '“4-2” is no policy: write K+M or K+M:B, as in 4+2:1', () =>
    PlacementTable.create({ ...folded, redundancy: { erasure: '4-2' } }),
  )
  const seven = () => PlacementTable.create({ ...folded, redundancy: { replicas: 7 } })
  const sentence = 'replicas 7 is not a policy: replicas 1..6, K 2..16, M 1..4, B 1..M'
  refuses(t, 'PUR_BLOCK_PLACEMENT', sentence, seven)
})

test('a table explains itself and survives its way through bytes; damaged bytes do not', (t) => {
  const table = PlacementTable.create(folded)
  const explanation = PlacementTable.read(table.bytes).explain()
  t.like(explanation, {
    ...{ epoch: 1, faultDomain: 'server', transitions: 0, diskSets: 1 },
    redundancy: { erasure: '4+2:1' },
    usableBytes: 8 * GIB,
    bestUsableBytes: 8 * GIB,
  })
  const [byDisk, byServer] = explanation.survival
  t.like(byDisk, { level: 'disk', domains: 6, any: 2, fatalSets: { count: 20, of: 20 } })
  t.like(byServer, { level: 'server', domains: 3, any: 1, disksBeside: [2, 0] })
  const damaged = Uint8Array.from(table.bytes)
  damaged[40] = (damaged[40] ?? 0) ^ 1
  refuses(
    t,
    'PUR_BLOCK_PLACEMENT_TABLE',
    'the placement table cannot be read: its checksum differs',
    () => PlacementTable.read(damaged),
  )
})

test('a change moves close to the least, a new group of disks nothing', (t) => {
  const table = PlacementTable.create(folded)
  const wider = { ...folded, disks: disks(4) }
  const stored = 6 * GIB
  const moved = table.replan(wider, 'rebalance', stored).movement
  t.is(moved.movedBytes.rack + moved.movedBytes.room + moved.movedBytes.across, 0)
  t.true(moved.movedBytes.server > 0.49 * stored)
  t.true(moved.movedBytes.server <= 1.02 * moved.leastBytes.server)
  const { movement, table: grown } = table.replan(wider, 'newGroup', stored)
  t.deepEqual(movement.movedBytes, { server: 0, rack: 0, room: 0, across: 0 })
  t.deepEqual([...new Set(grown.explain().disks.map(({ group }) => group))], [0, 1])
})

test('a rebuild says how evenly it spreads, or what it lacks', (t) => {
  const table = PlacementTable.create({ ...folded, disks: disks(4) })
  const { spread, disks: busy } = table.rebuild([0], 6 * GIB)
  t.true(spread < 1.3)
  t.is(busy.length, 11)
  refuses(
    t,
    'PUR_BLOCK_PLACEMENT',
    '4+2:1 over servers needs 6 disks of which a server counts at most 2, and there are 5',
    () => PlacementTable.create(folded).rebuild([0], GIB),
  )
})
