import type { PoolDesired, StorageDesired } from '../desired.ts'

/** One resource of the daemon's configuration file. */
export interface PoolDocument {
  readonly kind: string
  readonly name: string
  readonly spec: Readonly<Record<string, unknown>>
}

const SEPARATOR = '\n---\n'
const HEAD = '# The pools of this host, written by its agent; volumes are made by calls.\n'

/** The text of the configuration file: a JSON document, which is YAML, for each topology and pool.
 *  Volumes are not in it, so that a daemon that starts changes none. `kept` are pools that stand
 *  although nobody wants them. Pure. */
export function configurationText(
  { topologies, pools }: Pick<StorageDesired, 'topologies' | 'pools'>,
  kept: readonly PoolDocument[] = [],
): string {
  const documents = [
    ...topologies.map(({ name, spec }) => ({ kind: 'Topology', name, spec })),
    ...pools.map(poolDocument),
    ...kept,
  ]
  return `${HEAD}${documents.map((each) => JSON.stringify(each)).join(SEPARATOR)}\n`
}

/** The documents of a text that `configurationText` has made; a text of another hand has none that
 *  are known. Pure. */
export function documentsOf(text: string): readonly PoolDocument[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as PoolDocument]
      } catch {
        return []
      }
    })
}

/** The disks that a document of a pool names. Pure. */
export function disksOf(document: PoolDocument | undefined): PoolDesired['spec']['disks'] {
  const disks = document?.spec.disks
  return Array.isArray(disks) ? (disks as PoolDesired['spec']['disks']) : []
}

/** A pool as the daemon reads it: what is about placement plans alone is left out. */
function poolDocument({ name, spec }: PoolDesired): PoolDocument {
  const { engine, redundancy, faultDomain, expand, recovery, scrub } = spec
  // `force` was judged when the pool was admitted.
  const { force: _judged, ...cache } = spec.cache ?? {}
  const disks = spec.disks.map(({ name, server, path, sizeGiB, media }) => ({
    name,
    server,
    path,
    ...(sizeGiB !== undefined && { sizeGiB }),
    ...(media !== undefined && { media }),
  }))
  return {
    kind: 'StoragePool',
    name,
    spec: {
      engine,
      redundancy,
      faultDomain,
      ...(expand !== undefined && { expand }),
      disks,
      ...(spec.cache !== undefined && { cache }),
      recovery,
      scrub: { everyHours: scrub.everyHours, deepEveryDays: scrub.deepEveryDays },
    },
  }
}
