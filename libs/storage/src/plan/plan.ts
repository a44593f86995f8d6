import type { StorageDesired } from '../desired.ts'
import { DAEMON_ANSWERS, type StorageObserved } from '../observed.ts'
import { planPools } from './pools.ts'
import type { StorageStep } from './step.ts'
import { free } from './steps.ts'
import { planVolumes } from './volumes.ts'

/** The steps from what the block daemon serves to what it should serve. A host without a daemon
 *  that should serve nothing is as it should be. Pure. */
export function planStorage(
  desired: StorageDesired,
  observed: StorageObserved,
): readonly StorageStep[] {
  const pools = planPools(desired, observed)
  if (observed.daemon === undefined) {
    if (desired.pools.length === 0) return pools
    const found = observed.trouble ?? 'nothing answers'
    const reach = { ...free(`reach the block daemon: ${found}`, 1_000), requires: [DAEMON_ANSWERS] }
    return [...pools, { kind: 'reach', found, ...reach }]
  }
  return [...planVolumes(desired, observed), ...pools].toSorted(byStage)
}

/** Pools come before volumes in them. Where both a pool and what was in it go, the new process
 *  comes in a later round, since a pool with volumes is kept. */
function byStage(first: StorageStep, second: StorageStep): number {
  return stageOf(first) - stageOf(second)
}

function stageOf(step: StorageStep): number {
  if (step.kind === 'adopt') return 0
  if (step.kind !== 'call') return 2
  // The file names other SSDs once they are in use.
  if (step.call.startsWith('cache-device-')) return 1
  return step.call.startsWith('pool-') ? 1 : 3
}
