import type { LaneHealth } from '@purlin/schema'
import { doctorCheck, type Opinion } from './check.ts'

/** Whether a lane of the agent hangs or fails. */
export const stuckCalls = doctorCheck<readonly LaneHealth[]>({
  name: 'stuck-calls',
  read: async (_host, { lanes }) => lanes,
  judge: judgeStuckCalls,
})

/** Pure. */
export function judgeStuckCalls(lanes: readonly LaneHealth[]): Opinion[] {
  const opinions = lanes.flatMap(({ lane, state, doing, ageMs, lastError }): Opinion[] => {
    if (state === 'stuck') {
      const age = ageMs === undefined ? '' : ` for ${(ageMs / 1000).toFixed(1)} s`
      return [
        {
          status: 'problem',
          found: `${lane}: "${doing ?? 'a call'}" has not returned${age}`,
          advice: `See whether what the lane ${lane} talks to still answers; the other lanes go on.`,
        },
      ]
    }
    if (state !== 'failed') return []
    return [
      {
        status: 'problem',
        found: `${lane}: ${lastError ?? 'failed'}`,
        advice: 'The lane tries again by itself; what was in force before stays.',
      },
    ]
  })
  return opinions.length > 0 ? opinions : [{ status: 'ok', found: 'none' }]
}
