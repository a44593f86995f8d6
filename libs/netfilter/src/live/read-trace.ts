import type { TraceStep } from '../netlink/socket.ts'
import type { FilterAction } from '../policy/desired.ts'
import { TABLE_NAME } from '../target/names.ts'
import { END_CHAIN } from './probe-table.ts'
import { noteKey, type RuleNotes } from './rule-notes.ts'

/** What became of a traced packet. */
export interface KernelAnswer {
  readonly verdict: FilterAction
  /** The step that dropped it; else the one in which our lists let it pass, where they were
   *  asked. */
  readonly decider: TraceStep | undefined
}

/** One step as people read it. */
export interface ShownStep {
  /** `inet purlin` */
  readonly table: string
  readonly chain: string
  /** The rule's comment, or its handle where it has none; absent: the end of the chain, its policy
   *  where it is a base chain. */
  readonly rule?: string
  /** `accept`, `drop`, `continue`, `jump CHAIN` … */
  readonly verdict: string
}

/** Whether a packet goes no further behind this step. What bridges copy to the host is dropped
 *  apart, and says nothing of the packet itself. */
export function isEnd(step: TraceStep, table: string): boolean {
  return step.verdict === 'drop' && (step.table !== table || step.chain === END_CHAIN)
}

/** What became of the packet, or undefined where the steps do not tell: it was lost outside of all
 *  rules. `table`: the probe's own. Pure. */
export function readTrace(steps: readonly TraceStep[], table: string): KernelAnswer | undefined {
  const end = steps.find((step) => isEnd(step, table))
  if (end === undefined) return undefined
  if (end.table !== table) return { verdict: 'deny', decider: end }
  const decider = steps.findLast(
    (step) =>
      step.family === 'inet' &&
      step.table === TABLE_NAME &&
      step.type === 'rule' &&
      step.verdict === 'accept',
  )
  return { verdict: 'allow', decider }
}

/** The way without the probe's own rules. Pure. */
export function shownTrace(
  steps: readonly TraceStep[],
  table: string,
  notes: RuleNotes,
): readonly ShownStep[] {
  return steps.filter((step) => step.table !== table).map((step) => shownStep(step, notes))
}

/** One step as people read it. Pure. */
export function shownStep(step: TraceStep, notes: RuleNotes): ShownStep {
  const { family, table, chain, verdict, target } = step
  const rule = ruleOf(step, notes)
  return {
    table: `${family} ${table}`,
    chain,
    ...(rule !== undefined && { rule }),
    verdict: target === undefined ? verdict : `${verdict} ${target}`,
  }
}

function ruleOf(step: TraceStep, notes: RuleNotes): string | undefined {
  if (step.type !== 'rule') return undefined
  return notes.get(noteKey(step))?.comment ?? `handle ${step.ruleHandle ?? 'unknown'}`
}
