import { type Command, InvalidArgumentError } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure } from '../exit-codes.ts'
import { sizeText } from '../output/byte-progress.ts'
import { type NamedPool, numberDisks, placementOf, readPool } from '../pool-manifest.ts'
import { changeText, type PoolChange } from '../views/pool-change.ts'
import { offersText, type PoolOffers } from '../views/pool-offers.ts'

type Redundancy = import('@purlin/block-native').Redundancy

interface PlanFlags {
  readonly file: string
  readonly policy: readonly Redundancy[]
  readonly all: boolean
  readonly to?: string
  readonly storedGib?: number
}

/** `purlin pool plan` */
export function addPoolPlan(group: Command, cli: Cli): void {
  group
    .command('plan')
    .description('the policies that a pool’s disks allow, or what a change of its disks would move')
    .requiredOption('-f, --file <file>', 'manifest with the pool and its topology; - is stdin')
    .argument('[pool]', 'which, where the manifest has several')
    .option('--policy <K+M[:B]>', 'a policy beside the usual ones; repeatable', policy, [])
    .option('--all', 'also list what is not possible, and why', false)
    .option('--to <file>', 'manifest with the pool as it is to become: shows what would move')
    .option('--stored-gib <number>', 'data in the volumes; by default the pool is full', positive)
    .action((pool: string | undefined, flags: PlanFlags) => plan(cli, pool, flags))
}

async function plan(cli: Cli, wanted: string | undefined, flags: PlanFlags): Promise<void> {
  const pool = await readPool(cli, flags.file, wanted)
  if (flags.to === undefined) {
    const offers = await offersOf(pool, flags.policy)
    for (const warning of offers.warnings) cli.say(`warning: ${warning}`)
    cli.print(offers, () => offersText(offers, flags.all, cli.colours))
    return
  }
  const after = await readPool(cli, flags.to, wanted ?? pool.name)
  const change = await changeOf(pool, after, flags.storedGib)
  cli.print(change, () => changeText(change))
}

async function offersOf(pool: NamedPool, asked: readonly Redundancy[]): Promise<PoolOffers> {
  const { placementOffers, redundancyText } = await import('@purlin/block-native')
  const { topology, disks } = placementOf(pool, numberDisks(pool))
  const { offers, refusals } = placementOffers(topology, disks, [...asked, pool.redundancy])
  const current = `${redundancyText(pool.redundancy)} ${pool.faultDomain}`
  const named = <Each extends { redundancy: Redundancy; faultDomain: string }>(each: Each) => {
    const policy = redundancyText(each.redundancy)
    return { policy, ...each, current: `${policy} ${each.faultDomain}` === current }
  }
  return {
    pool: pool.name,
    disks: pool.disks.length,
    sizeBytes: pool.disks.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0),
    offers: offers.map(named),
    refusals: refusals.map(named),
    warnings: warningsOf(pool),
  }
}

function warningsOf(pool: NamedPool): readonly string[] {
  const media = [...new Set(pool.disks.flatMap((disk) => disk.media ?? []))]
  return [
    ...(media.length > 1
      ? [`pool ${pool.name} mixes ${media.join(' and ')}: it is as slow as the slowest`]
      : []),
    ...('replicas' in pool.redundancy && pool.redundancy.replicas === 1
      ? [`pool ${pool.name} keeps 1 replica: any lost disk loses data; 3 are recommended`]
      : []),
  ]
}

async function changeOf(
  pool: NamedPool,
  after: NamedPool,
  storedGib: number | undefined,
): Promise<PoolChange> {
  const { PlacementTable, redundancyText } = await import('@purlin/block-native')
  const numbers = numberDisks(pool, after)
  const table = PlacementTable.create(placementOf(pool, numbers))
  const { usableBytes } = table.explain()
  const asked = storedGib === undefined ? usableBytes : storedGib * 2 ** 30
  if (asked > usableBytes) {
    throw new CommandFailure(
      `${sizeText(asked)} do not fit pool ${pool.name}, which can hold ${sizeText(usableBytes)}`,
    )
  }
  const rawBytes = asked / efficiencyOf(pool.redundancy)
  const target = placementOf(after, numbers)
  const next = table.replan(target, after.expand, rawBytes)
  const names = (each: NamedPool) => each.disks.map(({ name }) => name)
  return {
    pool: pool.name,
    before: `${redundancyText(pool.redundancy)} over ${pool.faultDomain}s`,
    after: `${redundancyText(after.redundancy)} over ${after.faultDomain}s`,
    expand: after.expand,
    added: names(after).filter((name) => !names(pool).includes(name)),
    removed: names(pool).filter((name) => !names(after).includes(name)),
    volumeBytes: asked,
    movement: next.movement,
    usableBytesBefore: usableBytes,
    usableBytesAfter: next.table.explain().usableBytes,
  }
}

/** The part of what lies on disks that is data. */
function efficiencyOf(redundancy: Redundancy): number {
  if ('replicas' in redundancy) return 1 / redundancy.replicas
  const [data = 1, parity = 0] = redundancy.erasure.split(/[+:]/).map(Number)
  return data / (data + parity)
}

function policy(text: string, previous: readonly Redundancy[]): readonly Redundancy[] {
  if (!/^\d{1,3}\+\d{1,3}(:\d{1,3})?$/.test(text)) {
    throw new InvalidArgumentError('must be K+M or K+M:B, as in 4+2:1.')
  }
  return [...previous, { erasure: text }]
}

function positive(text: string): number {
  const number = Number(text)
  if (!(number > 0) || !Number.isFinite(number)) throw new InvalidArgumentError('must be above 0.')
  return number
}
