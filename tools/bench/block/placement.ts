import {
  distances,
  type Movement,
  type PlacementDisk,
  PlacementTable,
  type PlacementTopology,
  type PoolPlacement,
  type Redundancy,
  redundancyText,
} from '@purlin/block-native'

const TB = 10 ** 12
/** How full the pools are that change. */
const FILL = 0.7
const ROOMS = 2
const RACKS_A_ROOM = 3
const SERVERS_A_RACK = 3
const DISKS_A_SERVER = 4
/** Of the busiest disk of a rebuild, over the mean or over the least. */
const SPREAD_MAX = 1.3
/** Disks of unequal size, as pools that have grown have them. */
const SIZES_TB = [4, 8, 8, 16] as const

const POLICIES: readonly Pick<PoolPlacement, 'redundancy' | 'faultDomain'>[] = [
  { redundancy: { replicas: 2 }, faultDomain: 'server' },
  { redundancy: { replicas: 3 }, faultDomain: 'rack' },
  { redundancy: { erasure: '2+1' }, faultDomain: 'rack' },
  { redundancy: { erasure: '4+2' }, faultDomain: 'server' },
  { redundancy: { erasure: '8+3' }, faultDomain: 'server' },
  { redundancy: { erasure: '4+2:1' }, faultDomain: 'rack' },
]

/** Bytes that a change moves, over each distance, and the least that any placement would move. */
export interface ChangeFigures {
  readonly change: string
  readonly moved: Movement['movedBytes']
  readonly least: Movement['leastBytes']
  /** Together, over the least together; 1 where nothing has to move. */
  readonly ratio: number
}

/** Largest over mean of the bytes of a disk while something is rebuilt, and the least of any
 *  placement whose disks fill evenly: a disk of twice the size has twice the share. */
export interface RebuildFigures {
  readonly disks: 'equal' | 'unequal'
  readonly lost: 'a disk' | 'a server'
  readonly spread: number
  readonly leastSpread: number
}

/** What placement does with one policy, on unequal disks. */
export interface PlacementFigures {
  readonly policy: string
  readonly faultDomain: string
  /** Data over what is stored, by the policy alone. */
  readonly efficiency: number
  /** Usable bytes when the first disk is full, over the most that any placement could hold. */
  readonly filled: number
  /** Of the disks' bytes, how much volumes can have. */
  readonly usable: number
  readonly rebuilds: readonly RebuildFigures[]
  readonly changes: readonly ChangeFigures[]
}

/** The figures of every policy: bytes by counting, no disk is touched. Pure; a second or two. */
export function placementFigures(): readonly PlacementFigures[] {
  return POLICIES.map((policy) => figuresOf({ ...policy, ...standing() }))
}

function figuresOf(pool: PoolPlacement): PlacementFigures {
  const table = PlacementTable.create(pool)
  const { usableBytes, bestUsableBytes } = table.explain()
  const efficiency = efficiencyOf(pool.redundancy)
  const storedBytes = (usableBytes / efficiency) * FILL
  return {
    policy: redundancyText(pool.redundancy),
    faultDomain: pool.faultDomain,
    efficiency,
    filled: usableBytes / bestUsableBytes,
    usable: usableBytes / sum(pool.disks.map(({ capacityBytes }) => capacityBytes)),
    rebuilds: (['equal', 'unequal'] as const).flatMap((kind) => rebuildsOf(pool, kind)),
    changes: changesOf(pool).map(([change, after]) => {
      const { movedBytes, leastBytes } = table.replan(after, 'rebalance', storedBytes).movement
      const [moved, least] = [total(movedBytes), total(leastBytes)]
      const ratio = least === 0 ? 1 : moved / least
      return { change, moved: movedBytes, least: leastBytes, ratio }
    }),
  }
}

function rebuildsOf(pool: PoolPlacement, kind: RebuildFigures['disks']): RebuildFigures[] {
  const mean = sum(SIZES_TB) / SIZES_TB.length
  const capacityBytes = mean * TB
  const equal = pool.disks.map((disk) => ({ ...disk, capacityBytes }))
  const table = PlacementTable.create(kind === 'equal' ? { ...pool, disks: equal } : pool)
  const storedBytes = (table.explain().usableBytes / efficiencyOf(pool.redundancy)) * FILL
  const ofServer = pool.disks.filter(({ server }) => server === 'r0k0s0').map(({ id }) => id)
  return [['a disk', [0]] as const, ['a server', ofServer] as const].map(([lost, ids]) => {
    const { spread, leastSpread } = table.rebuild(ids, storedBytes)
    return { disks: kind, lost, spread, leastSpread }
  })
}

function changesOf(pool: PoolPlacement): readonly (readonly [string, PoolPlacement])[] {
  const { disks } = pool
  const next = disks.length
  const one = { ...{ id: next, media: 'hdd' as const }, server: 'r0k0s0', capacityBytes: 16 * TB }
  const further = serverDisks('new', next)
  const withServer = topologyOf(['new'])
  return [
    ['a disk is added', { ...pool, disks: [...disks, one] }],
    ['a server is added', { ...pool, topology: withServer, disks: [...disks, ...further] }],
    ['a disk is removed', { ...pool, disks: disks.filter(({ id }) => id !== 3) }],
    ['a server is removed', { ...pool, disks: disks.filter(({ server }) => server !== 'r0k0s0') }],
  ]
}

function standing(): Pick<PoolPlacement, 'topology' | 'disks'> {
  const servers = namesOf()
    .flat(2)
    .flatMap((server, index) => serverDisks(server, index * DISKS_A_SERVER))
  return { topology: topologyOf([]), disks: servers }
}

function serverDisks(server: string, first: number): readonly PlacementDisk[] {
  return SIZES_TB.map((size, index) => ({
    ...{ id: first + index, server, capacityBytes: size * TB, media: 'hdd' as const },
  }))
}

/** The servers of each rack of each room. */
function namesOf(): readonly (readonly (readonly string[])[])[] {
  const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n)
  return numbers(ROOMS).map((room) =>
    numbers(RACKS_A_ROOM).map((rack) =>
      numbers(SERVERS_A_RACK).map((server) => `r${room}k${rack}s${server}`),
    ),
  )
}

/** `further` servers stand in the first rack. */
function topologyOf(further: readonly string[]): PlacementTopology {
  const rooms = namesOf().map((racks, room) => ({
    room: `r${room}`,
    racks: racks.map((servers, rack) => ({
      rack: `k${room}${rack}`,
      servers: room === 0 && rack === 0 ? [...servers, ...further] : servers,
    })),
  }))
  return { roots: [{ datacenter: 'dc', rooms }] }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}

function efficiencyOf(redundancy: Redundancy): number {
  if ('replicas' in redundancy) return 1 / redundancy.replicas
  const [data = 1, parity = 0] = redundancy.erasure.split(/[+:]/).map(Number)
  return data / (data + parity)
}

function total(bytes: Movement['movedBytes']): number {
  return sum(distances.map((distance) => bytes[distance]))
}

/** The figures for people, with the goals: a rebuild's busiest disk at most 1.3 times the mean, or
 *  1.3 times the least where disks are unequal, and all changes at most 1.05 times the least.
 *  Pure. */
export function placementLines(all: readonly PlacementFigures[]): readonly string[] {
  const count = ROOMS * RACKS_A_ROOM * SERVERS_A_RACK * DISKS_A_SERVER
  const lines = [
    `${count} disks of ${SIZES_TB.join(', ')} TB, ${DISKS_A_SERVER} a server, ${SERVERS_A_RACK} servers a rack, ` +
      `${RACKS_A_ROOM} racks a room, ${ROOMS} rooms; filled to ${FILL * 100} %`,
  ]
  for (const found of all) {
    const { policy, faultDomain, efficiency, filled, usable } = found
    const kept = `efficiency ${percent(efficiency)}, usable ${percent(usable)} of the disks`
    lines.push(
      `${policy} over ${faultDomain}s: ${kept}, ${filled.toFixed(3)} of the best placement`,
    )
    for (const { disks, lost, spread, leastSpread } of found.rebuilds) {
      // What lies unevenly by its sizes is judged by what is possible at all.
      const goal = disks === 'equal' ? SPREAD_MAX : SPREAD_MAX * leastSpread
      const met = spread <= goal ? 'met' : 'MISSED'
      lines.push(
        `  rebuild of ${lost}, ${disks} disks: busiest over the mean ${spread.toFixed(2)} ` +
          `(least ${leastSpread.toFixed(2)}); goal <= ${goal.toFixed(2)}: ${met}`,
      )
    }
    for (const { change, moved, least, ratio } of found.changes) {
      const parts = distances.map(
        (distance) => `${distance} ${inTb(moved[distance])} (${inTb(least[distance])})`,
      )
      lines.push(`  ${change}: TB moved (least) ${parts.join(', ')} = ${ratio.toFixed(2)}`)
    }
  }
  const changes = all.flatMap((found) => found.changes)
  const moved = sum(changes.map((change) => total(change.moved)))
  const least = sum(changes.map((change) => total(change.least)))
  const met = moved / least <= 1.05 ? 'met' : 'MISSED'
  lines.push(`all changes: ${(moved / least).toFixed(3)} times the least; goal <= 1.05: ${met}`)
  return lines
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`
}

function inTb(bytes: number): string {
  return (bytes / TB).toFixed(2)
}
