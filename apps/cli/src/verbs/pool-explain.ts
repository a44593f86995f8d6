import { PurlinError } from '@purlin/base'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { type NamedPool, numberDisks, placementOf, placeNames, readPool } from '../pool-manifest.ts'
import { placedText } from '../views/pool-placed.ts'
import { explanationText, type PoolExplanation } from '../views/pool-survival.ts'

type PlacementTable = import('@purlin/block-native').PlacementTable
type SurvivalAt = import('@purlin/block-native').SurvivalAt

/** `purlin pool explain` */
export function addPoolExplain(group: Command, cli: Cli): void {
  group
    .command('explain')
    .description('where a pool’s stripes lie and the worst sets of failures that they survive')
    .option('-f, --file <file>', 'of a manifest with the pool and its topology; - is stdin')
    .argument('[pool]', 'which: of the agent’s, or of the manifest where it has several')
    .action(async (wanted: string | undefined, { file }: { readonly file?: string }) => {
      if (file === undefined) return await explainLive(cli, wanted)
      const pool = await readPool(cli, file, wanted)
      const explanation = await explanationOf(pool)
      cli.print(explanation, () => explanationText(explanation, pool, cli.colours))
    })
}

/** What is really placed, as the pool’s map says. */
async function explainLive(cli: Cli, name: string | undefined): Promise<void> {
  if (name === undefined) {
    throw new CommandFailure('name a pool, or give a manifest by --file', exitCodes.usage)
  }
  const placed = await cli.client.storagePools.explain(name)
  cli.print(placed, () => placedText(name, placed, cli.colours))
}

async function explanationOf(pool: NamedPool): Promise<PoolExplanation> {
  const { PlacementTable, redundancyText } = await import('@purlin/block-native')
  const numbers = numberDisks(pool)
  const table = PlacementTable.create(placementOf(pool, numbers))
  const explained = table.explain()
  const named = pool.disks.map((disk) => ({ disk, names: placeNames(pool, disk) }))
  const byNumber = new Map(named.map((each) => [numbers.get(each.disk.name) ?? 0, each]))
  const nameOf = (id: number) => byNumber.get(id)?.disk.name ?? String(id)
  const survival = explained.survival.map(({ fatal, largest, ...at }: SurvivalAt) => {
    const place = (id: number) => byNumber.get(id)?.names[at.level] ?? String(id)
    return { ...at, fatal: fatal.map(place), largest: largest.map(place) }
  })
  const shardBytes = Math.min(
    ...explained.disks.map(({ capacityBytes, placementGroups }) =>
      placementGroups === 0 ? Number.POSITIVE_INFINITY : capacityBytes / placementGroups,
    ),
  )
  return {
    pool: pool.name,
    policy: redundancyText(pool.redundancy),
    faultDomain: pool.faultDomain,
    placementGroups: explained.placementGroups,
    diskSets: explained.diskSets,
    tableBytes: table.bytes.length,
    usableBytes: explained.usableBytes,
    bestUsableBytes: explained.bestUsableBytes,
    disks: explained.disks.map((disk) => ({
      name: nameOf(disk.id),
      capacityBytes: disk.capacityBytes,
      placementGroups: disk.placementGroups,
      fill: (disk.placementGroups * shardBytes) / disk.capacityBytes,
    })),
    survival,
    rebuild: rebuildOf(table, explained.disks, nameOf),
  }
}

/** The worst rebuild of a single disk of a full pool, or why there can be none. */
function rebuildOf(
  table: PlacementTable,
  disks: readonly { readonly id: number; readonly capacityBytes: number }[],
  nameOf: (id: number) => string,
): PoolExplanation['rebuild'] {
  const stored = disks.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0)
  try {
    const rebuilds = disks.map(({ id }) => ({ lost: nameOf(id), ...table.rebuild([id], stored) }))
    const [worst] = rebuilds.toSorted((one, other) => other.spread - one.spread)
    if (worst === undefined) return { possible: false, reason: 'there is no disk' }
    const { lost, spread, leastSpread } = worst
    return { possible: true, lost, spread, leastSpread }
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_BLOCK_PLACEMENT') throw thrown
    return { possible: false, reason: thrown.message }
  }
}
