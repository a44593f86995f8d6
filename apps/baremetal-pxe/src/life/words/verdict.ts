import type { LifeWord } from '../table.ts'

/** Why a life is to fail. */
export interface Cause {
  /** Of the catalogue. */
  readonly code: string
  readonly cause: string
  readonly retriable: boolean
}

/** What an event means to a life: a word of the table, nothing at all, or a refusal. */
export type Verdict =
  | { readonly word: Exclude<LifeWord, 'fail'> }
  | { readonly word: 'fail'; readonly cause: Cause }
  | { readonly ignored: string }
  | { readonly refused: string }

/** The verdict that the life fails. */
export function fails(code: `PUR_LIFE_${string}`, cause: string, retriable: boolean): Verdict {
  return { word: 'fail', cause: { code, cause, retriable } }
}

/** The verdict that an event changes nothing, with the reason for people. */
export function ignored(reason: string): Verdict {
  return { ignored: reason }
}

/** The verdict that an event is refused, with the reason for who asked. */
export function refused(reason: string): Verdict {
  return { refused: reason }
}
