import { type ChassisLife, type ChassisState, chassisAtRest } from '@purlin/schema'
import type { Cell } from '../../output/table.ts'
import type { Tone } from '../../output/tone.ts'
import { ageText } from '../../output/words.ts'

/** The steps of an installation, as a person counts them. */
const STEPS: readonly ChassisState[] = [
  'preparing',
  'booting',
  'installing',
  'partitioning',
  'writing',
  'bootloader',
  'configuring',
  'rebooting',
]

/** The state in its colour. Pure. */
export function stateCell(life: ChassisLife | undefined): Cell {
  if (life === undefined) return 'unknown'
  const text = life.maintenance ? `${life.state} (maintenance)` : life.state
  return { text, tone: life.maintenance ? 'careful' : toneOf(life.state) }
}

function toneOf(state: ChassisState): Tone | undefined {
  if (state === 'failed') return 'bad'
  if (state === 'active' || state === 'available') return 'good'
  return chassisAtRest(state) ? undefined : 'careful'
}

/** Where a life stands, in a line: state, what it waits for, since when, until when. Pure. */
export function lifeText(life: ChassisLife, nowMs: number): string {
  const { state, step, sinceMs, deadlineAtMs, attempt, failure } = life
  const position = STEPS.indexOf(state)
  const words = [
    position < 0 ? state : `${state} (${position + 1} of ${STEPS.length})`,
    ...(step === undefined ? [] : [step]),
    `for ${ageText(Math.max(0, nowMs - sinceMs))}`,
    ...(deadlineAtMs === undefined ? [] : [deadlineText(deadlineAtMs - nowMs)]),
    ...(attempt === undefined || attempt < 2 ? [] : [`attempt ${attempt}`]),
    ...(state === 'failed' && failure ? [failure.cause] : []),
  ]
  return words.join(', ')
}

function deadlineText(leftMs: number): string {
  return leftMs > 0 ? `given up in ${ageText(leftMs)}` : 'past its deadline'
}
