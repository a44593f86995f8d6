import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import type { Change, NetfilterSocket, ReadTable, Stop } from '../netlink/index.ts'
import { TABLE_NAME, type TableFamily } from '../target/names.ts'
import { adopted, type Held } from './applied.ts'
import { sameHeld } from './same.ts'

/** How long a notification may be on its way behind the generation that it tells of. */
const NOTIFICATION_MS = 10
/** How often a transaction is tried while others change tables of their own. */
const TRIES_MAX = 8
const BACKOFF_FIRST_MS = 100
const BACKOFF_LAST_MS = 10_000

/** Our two tables in the kernel and what is known of them: as long as we hear of every change and
 *  of none but our own, what stands there is what we put there, and nothing need be read. */
export class Kernel {
  readonly #socket: NetfilterSocket
  readonly #clock: Clock
  #held: Held | undefined
  #former: Held | undefined
  #generation: number | undefined
  #listening = false
  /** Goes up with all that is learned of the kernel but by reading it. */
  #turn = 0

  constructor(socket: NetfilterSocket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
  }

  /** What is known to stand there; undefined where somebody may have changed it. */
  get held(): Held | undefined {
    return this.#held
  }

  /** What was known before somebody else changed something. */
  get former(): Held | undefined {
    return this.#former
  }

  /** What is there is no longer known. */
  forget(): void {
    this.#turn++
    this.#former = this.#held ?? this.#former
    this.#held = undefined
  }

  /** What stands there. It is read where nobody listens, or somebody else has changed it.
   *  Errors: PUR_NFT_UNREADABLE, PUR_NFT_REFUSED (a table of our name that is not ours). */
  async look(signal: AbortSignal): Promise<Held> {
    if (this.#held !== undefined && this.#listening) return this.#held
    return await this.read(this.#held ?? this.#former, signal)
  }

  /** Reads both tables; what is equal to `expected` is answered by its values. What was learned
   *  otherwise meanwhile is newer and stays. */
  async read(expected: Held | undefined, signal: AbortSignal): Promise<Held> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const turn = this.#turn
      const { generation, held } = await this.#readTables(expected, signal)
      if (this.#turn !== turn) {
        if (this.#held !== undefined) return this.#held
        continue
      }
      this.#generation = generation
      this.#held = held
      return held
    }
    throw changedMeanwhile()
  }

  /** Reads both tables for somebody who changes nothing. */
  async readApart(signal: AbortSignal): Promise<Held> {
    return (await this.#readTables(this.#held, signal)).held
  }

  async #readTables(
    expected: Held | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly generation: number; readonly held: Held }> {
    const { generation, tables } = await this.#socket.readTables(undefined, { signal })
    for (const table of tables.values()) refuseForeign(table)
    const found = adopted(tables, expected)
    const same = expected !== undefined && sameHeld(expected, found)
    return { generation, held: same ? expected : found }
  }

  /** One transaction onto what is known. Errors: PUR_NFT_REFUSED, PUR_NFT_CONCURRENT (somebody
   *  else has changed our tables since they were looked at), PUR_DEADLINE_PASSED, PUR_CANCELLED. */
  async commit(changes: readonly Change[], signal: AbortSignal): Promise<void> {
    if (changes.length === 0) return
    for (let tries = 1; ; tries++) {
      const onto = this.#generation
      if (this.#held === undefined || onto === undefined) throw changedMeanwhile()
      try {
        this.#turn++
        this.#generation = await this.#socket.commit(changes, { onto, signal })
        this.#turn++
        return
      } catch (thrown) {
        const isConcurrent = toPurlinError(thrown).code === 'PUR_NFT_CONCURRENT'
        if (!isConcurrent || tries >= TRIES_MAX) throw thrown
        await this.#learn(signal)
      }
    }
  }

  /** Takes `held` for what stands there, after transactions that made it so. */
  take(held: Held): void {
    this.#turn++
    this.#held = held
  }

  /** Tells of changes by somebody else, until the signal is aborted. Where notifications were lost,
   *  or whoever brings them has ended, they are asked for anew; meanwhile each look reads. */
  listen(onForeign: () => void, signal: AbortSignal): void {
    let stop: Stop = () => undefined
    const begin = (): void => {
      stop = this.#socket.watchRules((change) => {
        if (change.own && !change.lost) return
        this.forget()
        if (change.lost) again(BACKOFF_FIRST_MS)
        onForeign()
      })
      // Nobody has listened since what is known was read.
      this.forget()
      this.#listening = true
    }
    const attempt = (backoffMs: number): void => {
      try {
        begin()
      } catch {
        again(Math.min(backoffMs * 2, BACKOFF_LAST_MS))
      }
    }
    const again = (backoffMs: number): void => {
      this.#listening = false
      stop()
      stop = () => undefined
      this.#clock.sleep(backoffMs, signal).then(
        () => attempt(backoffMs),
        () => undefined,
      )
    }
    const end = (): void => {
      this.#listening = false
      stop()
    }
    signal.addEventListener('abort', end, { once: true })
    attempt(BACKOFF_FIRST_MS)
  }

  /** The generation is another: of our tables, or of somebody else's only. */
  async #learn(signal: AbortSignal): Promise<void> {
    const known = this.#held
    if (this.#listening) {
      const generation = await this.#socket.generation({ signal })
      // What was told of changes up to that generation is here by then.
      await this.#clock.sleep(NOTIFICATION_MS, signal)
      if (this.#held !== known) throw changedMeanwhile()
      this.#generation = generation
      return
    }
    if ((await this.read(known, signal)) !== known) throw changedMeanwhile()
  }
}

function changedMeanwhile(): PurlinError {
  return new PurlinError('PUR_NFT_CONCURRENT', {
    message: `somebody else changed table bridge ${TABLE_NAME} or inet ${TABLE_NAME} since they were looked at; they are looked at again`,
  })
}

function refuseForeign({ table, owned }: Pick<ReadTable, 'table' | 'owned'>): void {
  if (owned) return
  const name: `${TableFamily} ${string}` = `${table} ${TABLE_NAME}`
  throw new PurlinError('PUR_NFT_REFUSED', {
    message: `table ${name} exists and does not carry Purlin's mark, so it is not touched; rename or delete it (nft delete table ${name}) if nobody needs it`,
    context: { table: name },
  })
}
