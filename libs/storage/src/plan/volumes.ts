import { COPYING, type VolumeStatus } from '../control/messages.ts'
import type { StorageDesired, VolumeDesired } from '../desired.ts'
import type { StorageObserved } from '../observed.ts'
import type { StorageStep } from './step.ts'
import { callStep, free } from './steps.ts'

/** The steps that bring volumes and snapshots about. What is missing is made, sources before their
 *  clones; what is too small grows; what is no resource's any more goes, if it was one's. Nothing
 *  happens in a pool that does not answer. Pure. */
export function planVolumes(desired: StorageDesired, observed: StorageObserved): StorageStep[] {
  const pools = observed.daemon?.pools ?? []
  const answering = new Set(pools.flatMap(({ name, engine }) => (engine ? [name] : [])))
  const standing = new Map(
    pools.flatMap(({ engine }) =>
      (engine?.volumes ?? []).map((each) => [each.name, each] as const),
    ),
  )
  return [
    ...adoptions(desired, observed, standing),
    ...made(desired, answering, standing),
    ...changed(desired, observed, standing),
    ...taken(desired, observed, standing),
  ]
}

type Standing = ReadonlyMap<string, VolumeStatus>

function adoptions(
  { volumes, snapshots }: StorageDesired,
  { owned }: StorageObserved,
  standing: Standing,
): StorageStep[] {
  const names = [...volumes, ...snapshots]
    .map(({ name }) => name)
    .filter((name) => standing.has(name) && !owned.has(name))
  if (names.length === 0) return []
  return [{ kind: 'adopt', names, ...free(`take over ${names.join(', ')}`, 10_000) }]
}

/** Volumes and snapshots that are missing, in an order in which each finds what it begins as. What
 *  begins as something that cannot be made now waits for a later plan. */
function made(
  { volumes, snapshots }: StorageDesired,
  answering: ReadonlySet<string>,
  standing: Standing,
): StorageStep[] {
  const steps: StorageStep[] = []
  const there = new Set(standing.keys())
  const poolOf = new Map(volumes.map(({ name, pool }) => [name, pool]))
  // What is in another pool than its source is a part of itself until a later plan.
  const copied = new Set([...standing.keys()].flatMap((name) => nameOfCopy(name)))
  for (let before = -1; before < steps.length; ) {
    before = steps.length
    for (const volume of volumes) {
      const found = standing.get(volume.name)
      // One that is being copied goes on; one that was cut off is begun again.
      const partly = standing.has(`${COPYING}${volume.name}`) && !found?.copy
      if (
        (there.has(volume.name) && !partly) ||
        steps.some((step) => subjectOf(step) === volume.name)
      )
        continue
      if (!answering.has(volume.pool)) continue
      if (volume.source !== undefined && !there.has(volume.source.snapshot)) continue
      steps.push(creation(volume))
      there.add(volume.name)
      if (volume.source?.linked === false) copied.add(volume.name)
    }
    for (const { name, volume, kept } of snapshots) {
      if (kept || there.has(name) || !there.has(volume) || copied.has(volume)) continue
      if (!answering.has(poolOf.get(volume) ?? '')) continue
      const summary = `take snapshot ${name} of volume ${volume}`
      steps.push(callStep('snapshot-create', name, summary, { volume, name }))
      there.add(name)
    }
  }
  return steps
}

/** The volume that a marker is of. */
function nameOfCopy(marker: string): readonly string[] {
  return marker.startsWith(COPYING) ? [marker.slice(COPYING.length)] : []
}

function creation({ name, pool, sizeBytes, source, limits }: VolumeDesired): StorageStep {
  if (source !== undefined) {
    const { snapshot, linked } = source
    const form = linked ? 'linked' : 'independent'
    const summary = `make volume ${name} in pool ${pool} as ${form} clone of ${snapshot}`
    const words = { snapshot, name, linked, pool, wait: false }
    return callStep('volume-clone', name, summary, words)
  }
  const words = { pool, name, sizeBytes: sizeBytes ?? 0, limits }
  const summary = `make volume ${name} of ${words.sizeBytes} bytes in pool ${pool}`
  return callStep('volume-create', name, summary, words)
}

function changed(
  { volumes }: StorageDesired,
  { limits: set }: StorageObserved,
  standing: Standing,
): StorageStep[] {
  return volumes.flatMap(({ name, sizeBytes, limits, source, attached }) => {
    const found = standing.get(name)
    if (found === undefined || standing.has(`${COPYING}${name}`)) return []
    const steps: StorageStep[] = []
    if (sizeBytes !== undefined && sizeBytes > found.sizeBytes) {
      const summary = `grow volume ${name} from ${found.sizeBytes} to ${sizeBytes} bytes`
      const words = { name, sizeBytes, reconnect: attached }
      steps.push(callStep('volume-grow', name, summary, words))
    }
    if (found.parent !== null && source?.linked !== true) {
      const summary = `let volume ${name} share no blocks with ${found.parent} any more`
      steps.push(callStep('volume-flatten', name, summary, { name }))
    }
    if (set.get(name) !== JSON.stringify(limits)) {
      steps.push(callStep('volume-limit', name, `limit volume ${name}`, { name, limits }))
    }
    return steps
  })
}

/** What was a resource's and is none's, clones before their snapshots before their volumes. */
function taken(
  desired: StorageDesired,
  { owned }: StorageObserved,
  standing: Standing,
): StorageStep[] {
  const wanted = new Set([...desired.volumes, ...desired.snapshots].map(({ name }) => name))
  const left = [...standing.values()].filter(({ name }) => owned.has(name) && !wanted.has(name))
  const steps: StorageStep[] = []
  while (left.length > 0) {
    const alone = left.findIndex(({ name }) => !left.some(({ parent }) => parent === name))
    for (const { name, snapshot } of left.splice(Math.max(0, alone), 1)) {
      steps.push(
        snapshot
          ? callStep('snapshot-delete', name, `delete snapshot ${name}`, { name })
          : callStep('volume-delete', name, `delete volume ${name}`, { name }),
      )
    }
  }
  return steps
}

function subjectOf(step: StorageStep): string | undefined {
  return step.kind === 'call' ? step.subject : undefined
}
