import type { ChassisState } from '@purlin/schema'
import { type Deadlines, defaultDeadlines } from './deadlines.ts'
import type { Circumstances, Effect } from './effects/change.ts'
import { nodeEffects } from './effects/nodes.ts'
import { outcomeEffects } from './effects/outcomes.ts'
import { requestEffects } from './effects/requests.ts'
import type { WitnessedEvent } from './event.ts'
import type { Life } from './life.ts'
import { type LifeWord, lifeTable } from './table.ts'
import { ignored, refused, type Verdict } from './words/verdict.ts'
import { wordOf } from './words/word-of.ts'

const STEPS_MAX = 24

const effects: Readonly<Record<LifeWord, Effect>> = {
  ...requestEffects,
  ...nodeEffects,
  ...outcomeEffects,
}

/** One row of a life's history. */
export interface Transition {
  readonly sequence: number
  readonly atMs: number
  readonly word: LifeWord
  readonly from: ChassisState
  readonly to: ChassisState
  readonly attempt?: number
  readonly message?: string
  readonly consoleTail?: string
}

/** What came of an event: a life that went on (its pending commands are what is to be done now),
 *  or why nothing changed. */
export type Stepped =
  | { readonly kind: 'moved'; readonly life: Life; readonly transitions: readonly Transition[] }
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }

/** The life after an event. Pure and total: `(life, event, now) -> life with its commands`. A life
 *  that comes to rest with something to take up goes on at once. */
export function step(
  life: Life,
  event: WitnessedEvent,
  nowMs: number,
  deadlines: Deadlines = defaultDeadlines,
): Stepped {
  const circumstances = { event, nowMs, deadlines }
  const verdict = judged(life, wordOf(life, event, nowMs))
  if ('ignored' in verdict) return { kind: 'ignored', reason: verdict.ignored }
  if ('refused' in verdict) return { kind: 'refused', reason: verdict.refused }
  const moved = turn(life, verdict, circumstances)
  const next = followUp(moved.life, verdict.word)
  if (next === undefined)
    return { kind: 'moved', life: moved.life, transitions: [moved.transition] }
  const followed = turn(moved.life, { word: next }, circumstances)
  const transitions = [moved.transition, followed.transition]
  return { kind: 'moved', life: followed.life, transitions }
}

/** The verdict, if the table allows its word in this state. */
function judged(life: Life, verdict: Verdict): Verdict {
  if (!('word' in verdict) || lifeTable.allows(life.state, verdict.word)) return verdict
  // What comes of itself and does not matter here is no fault of anyone's.
  if (verdict.word === 'fail') return ignored(`${life.state} cannot fail by it`)
  const possible = ASKED.filter((word) => lifeTable.allows(life.state, word)).join(', ')
  return refused(
    `${verdict.word} is not possible in state ${life.state}; possible: ${possible || 'nothing'}`,
  )
}

/** Words that people ask for. */
const ASKED: readonly LifeWord[] = [
  'verify',
  'discover',
  'deploy',
  'release',
  'rescue',
  'cancel',
  'power',
]

function turn(
  life: Life,
  verdict: Extract<Verdict, { readonly word: LifeWord }>,
  circumstances: Circumstances,
): { readonly life: Life; readonly transition: Transition } {
  const { event, nowMs } = circumstances
  const { word } = verdict
  const cause = word === 'fail' ? verdict.cause : undefined
  // The result of a command takes it off the list, except where it is to be tried again.
  const over = event.type === 'carried-out' && word !== 'pause' ? event.id : undefined
  const pending = life.pending.filter(({ id }) => id !== over)
  const changed = effects[word]({ ...life, pending }, { ...circumstances, ...(cause && { cause }) })
  const to = lifeTable.next(life.state, word)
  const sequence = life.transitions + 1
  const entered = to === life.state ? {} : enteredAt(life, to, nowMs)
  const { attempt } = changed.boot ?? {}
  return {
    life: { ...changed, state: to, ...entered, transitions: sequence },
    transition: {
      sequence,
      atMs: nowMs,
      word,
      from: life.state,
      to,
      ...(attempt !== undefined && { attempt }),
      ...(cause !== undefined && { message: cause.cause }),
      ...(event.consoleTail !== undefined && { consoleTail: event.consoleTail }),
    },
  }
}

const BEGINNINGS: ReadonlySet<ChassisState> = new Set([
  'verifying',
  'discovering',
  'preparing',
  'erasing',
  'rescuing',
])

function enteredAt(life: Life, to: ChassisState, nowMs: number): Partial<Life> {
  const before = BEGINNINGS.has(to) ? [] : life.steps
  return { sinceMs: nowMs, steps: [...before, { step: to, atMs: nowMs }].slice(-STEPS_MAX) }
}

/** What a life goes on with by itself once it rests: a wish, and the first discovery of a machine
 *  that is off. One that is on may be at work for somebody, so it is left alone. */
function followUp(life: Life, word: LifeWord): 'deploy' | 'discover' | undefined {
  if (life.maintenance) return undefined
  const { state, wish, power } = life
  if (state === 'available') return wish === undefined ? undefined : 'deploy'
  if (state !== 'manageable') return undefined
  if (wish !== undefined || (word === 'identified' && power === 'off')) return 'discover'
  return undefined
}
