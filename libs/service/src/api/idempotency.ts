import { createHash } from 'node:crypto'
import { type Clock, PurlinError } from '@purlin/base'
import type { Guard, Store, Write } from '@purlin/store'

const KEPT_MS = 24 * 3_600_000
const PREFIX = '/idempotency/'

interface Remembered {
  readonly requestSha256: string
  readonly taskId: string
  readonly expiresAtMs: number
}

/** A request that may be repeated; its record goes into the transaction of the work itself. */
export interface OnceRequest {
  /** That no other agent has taken a request with the same key meanwhile. */
  readonly guard: Guard
  /** The write that remembers the task. */
  remember(taskId: string): Write
}

/** Makes a repeated request give the first one's task: a client that lost the answer may ask
 *  again. */
export class IdempotencyLog {
  readonly #store: Store
  readonly #clock: Clock
  readonly #underWay = new Map<string, Promise<string>>()

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** The task's id of the request with this key; `work` runs once a key. A key is kept for a day.
   *  Errors: PUR_IDEMPOTENCY_REUSED, and those of `work`, which leave the key free. */
  async once(
    key: string | undefined,
    request: unknown,
    work: (once?: OnceRequest) => Promise<string>,
  ): Promise<string> {
    if (key === undefined) return await work()
    const running = this.#underWay.get(key)
    if (running !== undefined) {
      await running.catch(() => undefined)
      return await this.once(key, request, work)
    }
    const attempt = this.#firstTime(key, request, work)
    this.#underWay.set(key, attempt)
    try {
      return await attempt
    } finally {
      this.#underWay.delete(key)
    }
  }

  /** Forgets the keys whose day is over. */
  async trim(): Promise<void> {
    const nowMs = this.#clock.nowMs()
    const { entries } = await this.#store.list(PREFIX)
    const over = entries.filter(({ value }) => (value as Remembered).expiresAtMs <= nowMs)
    if (over.length === 0) return
    await this.#store.transact({ writes: over.map(({ key }) => ({ delete: key })) })
  }

  async #firstTime(
    key: string,
    request: unknown,
    work: (once: OnceRequest) => Promise<string>,
  ): Promise<string> {
    const requestSha256 = sha256(JSON.stringify(request ?? null))
    const put = `${PREFIX}${sha256(key)}`
    const entry = await this.#store.get(put)
    const known = entry?.value as Remembered | undefined
    const expiresAtMs = this.#clock.nowMs() + KEPT_MS
    if (known === undefined || known.expiresAtMs <= this.#clock.nowMs()) {
      try {
        return await work({
          guard: { key: put, revision: entry?.revision ?? 0 },
          remember: (taskId) => ({ put, value: { requestSha256, taskId, expiresAtMs } }),
        })
      } catch (thrown) {
        const taken = thrown instanceof PurlinError && thrown.code === 'PUR_STORE_CONFLICT'
        if (!taken || thrown.context.key !== put) throw thrown
        // Another agent was asked the same, and first.
        return await this.#firstTime(key, request, work)
      }
    }
    if (known.requestSha256 === requestSha256) return known.taskId
    const message = 'the Idempotency-Key was used before with another request; send a new one'
    throw new PurlinError('PUR_IDEMPOTENCY_REUSED', { message })
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
