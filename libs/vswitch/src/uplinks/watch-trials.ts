import type { Clock } from '@purlin/base'
import { bridgesOf } from '../observe.ts'
import type { Database } from '../ovsdb/database.ts'
import { trialsOf } from './plan-trials.ts'

const LOOK_EVERY_MS = 500
const ASK_DEADLINE_MS = 3_000

/** Whether somebody can be reached over the uplinks of a switch as they are now. */
export type Reachable = (switchName: string, signal: AbortSignal) => Promise<boolean>

/** While changes of uplinks are tried, asks whether others can be reached, tells `confirm` when
 *  they can, and `onOver` when the time of one is over; until `signal`. */
export function watchTrials(
  database: Database,
  clock: Clock,
  reachable: Reachable | undefined,
  confirm: (switchName: string) => Promise<unknown>,
  onOver: (reason: string) => void,
  signal: AbortSignal,
): void {
  const look = async (): Promise<void> => {
    const bridges = bridgesOf(await database.replica(signal))
    for (const { switch: name, record } of trialsOf({ bridges })) {
      if (record.state !== 'trying') continue
      if (clock.nowMs() >= (record.deadlineMs ?? 0)) {
        onOver(`nobody confirmed the uplinks of switch ${name} in time`)
        continue
      }
      if (reachable === undefined) continue
      const patience = AbortSignal.any([signal, AbortSignal.timeout(ASK_DEADLINE_MS)])
      if (await reachable(name, patience).catch(() => false)) await confirm(name)
    }
  }
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await look().catch(() => {})
      await clock.sleep(LOOK_EVERY_MS, signal)
    }
  }
  run().catch(() => {})
}
