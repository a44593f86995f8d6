import type { Condition } from '@purlin/schema'

/** Remembers since when each condition has been what it is; its words may change meanwhile. */
export class ConditionTimes {
  readonly #since = new Map<string, { readonly key: string; readonly sinceMs: number }>()

  /** The condition of the resource `uid` as it was found at `nowMs`. */
  condition(uid: string, found: Omit<Condition, 'sinceMs'>, nowMs: number): Condition {
    const { type, status, reason, message } = found
    const subject = `${uid} ${type}`
    const key = `${status} ${reason}`
    const before = this.#since.get(subject)
    const sinceMs = before?.key === key ? before.sinceMs : nowMs
    if (before?.key !== key) this.#since.set(subject, { key, sinceMs })
    return { type, status, reason, message, sinceMs }
  }
}
