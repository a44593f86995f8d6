import { createHash } from 'node:crypto'
import { PurlinError } from '@purlin/base'
import type { Store } from '@purlin/store'

const KEPT_MS = 24 * 3_600_000

interface Remembered {
  readonly requestSha256: string
  readonly taskId: string
}

/** Makes a repeated request give the first one's task: a client that lost the answer may ask again. */
export class IdempotencyLog {
  readonly #store: Store
  readonly #underWay = new Map<string, Promise<string>>()

  constructor(store: Store) {
    this.#store = store
  }

  /** The task's id of the request with this key; `work` runs once a key. A key is kept for a day.
   *  Errors: PUR_IDEMPOTENCY_REUSED, and those of `work`, which leave the key free. */
  async once(
    key: string | undefined,
    request: unknown,
    work: () => Promise<string>,
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

  async #firstTime(key: string, request: unknown, work: () => Promise<string>): Promise<string> {
    const requestSha256 = createHash('sha256')
      .update(JSON.stringify(request ?? null))
      .digest('hex')
    const storeKey = `/idempotency/${createHash('sha256').update(key).digest('hex')}`
    const known = (await this.#store.get(storeKey))?.value as Remembered | undefined
    if (known !== undefined) {
      if (known.requestSha256 === requestSha256) return known.taskId
      const message = 'the Idempotency-Key was used before with another request; send a new one'
      throw new PurlinError('PUR_IDEMPOTENCY_REUSED', { message })
    }
    const taskId = await work()
    const lease = await this.#store.grantLease(KEPT_MS)
    const value: Remembered = { requestSha256, taskId }
    await this.#store.transact({ writes: [{ put: storeKey, value, lease }] })
    return taskId
  }
}
