import { type Problem, PurlinError } from '@purlin/base'
import { type PacketVerdict, packetQuestion, problemsOfIssue } from '@purlin/schema'
import type { NetfilterDesired } from '../policy/desired.ts'
import { answerPacket } from './question.ts'

/** A line of a batch that is no question. */
export interface RefusedLine {
  /** Number of the line, from 1. */
  readonly line: number
  readonly code: 'PUR_INVALID'
  readonly message: string
  readonly problems: readonly Problem[]
}

/** Answers one line of a batch: a question as JSON. `line` counts from 1. Pure. */
export function answerLine(
  desired: NetfilterDesired,
  text: string,
  line: number,
): PacketVerdict | RefusedLine {
  const question = questionOf(text)
  if (Array.isArray(question)) return refused(line, question)
  try {
    return answerPacket(desired, question)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_INVALID') throw thrown
    return refused(line, thrown.problems)
  }
}

function questionOf(text: string) {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    return [{ path: '', message: `is not JSON: ${found}` }] satisfies Problem[]
  }
  const checked = packetQuestion.safeParse(value)
  if (checked.success) return checked.data
  return checked.error.issues.flatMap((issue) => problemsOfIssue(issue, []))
}

function refused(line: number, problems: readonly Problem[]): RefusedLine {
  const listed = problems.map(({ path, message }) =>
    path === '' ? message : `${path}: ${message}`,
  )
  return { line, code: 'PUR_INVALID', message: `line ${line}: ${listed.join('; ')}`, problems }
}
