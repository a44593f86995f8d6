import type { Condition, Event, Finding, Resource, Task } from '@purlin/schema'
import type { Cell } from './table.ts'
import type { Tone } from './tone.ts'

const SECOND_MS = 1_000
const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400 * SECOND_MS],
  ['h', 3_600 * SECOND_MS],
  ['m', 60 * SECOND_MS],
  ['s', SECOND_MS],
]

/** An age in its two largest units: `3h12m`. Pure. */
export function ageText(ageMs: number): string {
  const first = UNITS.findIndex(([, unitMs]) => ageMs >= unitMs)
  if (first < 0) return '0s'
  let restMs = ageMs
  return UNITS.slice(first, first + 2)
    .map(([letter, unitMs]) => {
      const count = Math.floor(restMs / unitMs)
      restMs -= count * unitMs
      return count === 0 ? '' : `${count}${letter}`
    })
    .join('')
}

/** A moment in UTC: `2026-01-31T12:00:00Z`. Pure. */
export function timeText(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`
}

/** Whether a resource is ready: `yes`, or the reason why not. Pure. */
export function readyCell({ status }: Resource): Cell {
  const ready = status.conditions.find(({ type }) => type === 'Ready')
  if (ready === undefined) return 'unknown'
  if (ready.status === 'true') return { text: 'yes', tone: 'good' }
  return { text: ready.reason, tone: conditionTone(ready) }
}

/** Good, bad or not yet known. Pure. */
export function conditionTone({ status }: Condition): Tone {
  return ({ true: 'good', false: 'bad', unknown: 'careful' } as const)[status]
}

/** The state of a task. Pure. */
export function taskCell({ state }: Task): Cell {
  const tones: Partial<Record<Task['state'], Tone>> = {
    succeeded: 'good',
    failed: 'bad',
    cancelled: 'careful',
  }
  return { text: state, tone: tones[state] }
}

/** The severity of an event or alert. Pure. */
export function severityCell(severity: Event['severity']): Cell {
  const tones = { notice: undefined, warning: 'careful', critical: 'bad' } as const
  return { text: severity, tone: tones[severity] }
}

/** The status of a finding. Pure. */
export function findingTone({ status }: Finding): Tone {
  return ({ ok: 'good', notice: 'careful', problem: 'bad', unknown: 'careful' } as const)[status]
}
