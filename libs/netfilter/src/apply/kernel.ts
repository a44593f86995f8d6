import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import type { Change, NetfilterSocket, ReadTable, Stop } from '../netlink/index.ts'
import { TABLE_NAME, type TableFamily } from '../target/names.ts'
import { adopted, type Held } from './applied.ts'
import { sameHeld } from './same.ts'

/** How long a notification may be on its way behind the generation that it tells of. */
const NOTIFICATION_MS = 10
/** How long after a transaction it is looked whether another one followed it unheard. */
const CONFIRM_MS = 1
/** Generations that were told of before others are. */
const AHEAD_MAX = 256
/** Elements and rules from which on it pays not to be told of each. */
const UNHEARD_MIN = 64
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
  /** Of every generation up to this one we have heard, or made it ourselves. */
  #generation: number | undefined
  /** Generations that were told of before those that came before them. */
  readonly #ahead = new Set<number>()
  #listening = false
  #committing = 0
  #onForeign: () => void = () => undefined
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
      this.#reach(generation)
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
    signal?: AbortSignal,
  ): Promise<{ readonly generation: number; readonly held: Held }> {
    const { generation, tables } = await this.#socket.readTables(undefined, signal && { signal })
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
      // One that was refused is heard of the second time, and so is who was in its way.
      const unheard = this.#listening && tries === 1 && isLarge(changes)
      try {
        this.#turn++
        this.#committing++
        const made = await this.#socket.commit(changes, { onto, signal, unheard })
        this.#turn++
        this.#reach(made)
        if (unheard) void this.#confirm(made)
        return
      } catch (thrown) {
        const isConcurrent = toPurlinError(thrown).code === 'PUR_NFT_CONCURRENT'
        if (!isConcurrent || tries >= TRIES_MAX) throw thrown
        await this.#learn(signal)
      } finally {
        this.#committing--
      }
    }
  }

  /** Takes `held` for what stands there, after transactions that made it of `before`, unless
   *  somebody else was heard to change something meanwhile. */
  take(held: Held, before: Held): void {
    if (this.#held !== before) return
    this.#turn++
    this.#held = held
  }

  /** Tells of changes by somebody else, until the signal is aborted. Where notifications were lost,
   *  or whoever brings them has ended, they are asked for anew; meanwhile each look reads. */
  listen(onForeign: () => void, signal: AbortSignal): void {
    let stop: Stop = () => undefined
    this.#onForeign = onForeign
    const begin = (): void => {
      stop = this.#socket.watchRules((change) => {
        if (!change.lost) this.#hear(change.generation)
        const isOthers = change.own || change.tables.size === 0
        if (isOthers && !change.lost) return
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
    if (this.#listening && (await this.#isAllHeard(signal))) {
      if (this.#held !== known) throw changedMeanwhile()
      return
    }
    if ((await this.read(known, signal)) !== known) throw changedMeanwhile()
  }

  /** Whether every generation up to the present one was heard of or made here. */
  async #isAllHeard(signal?: AbortSignal): Promise<boolean> {
    const present = await this.#socket.generation(signal && { signal })
    if (this.#generation === present) return true
    // What was told of changes up to that generation is here by then.
    await this.#clock.sleep(NOTIFICATION_MS, signal)
    return this.#generation === present
  }

  /** While a transaction of ours went unheard, somebody else may have made one right behind it:
   *  then it is looked whether our tables are as we left them. A later transaction of ours proves
   *  the same, since it is onto what is known. */
  async #confirm(made: number): Promise<void> {
    const isOver = (): boolean => {
      return this.#generation !== made || this.#committing > 0 || this.#held === undefined
    }
    try {
      await this.#clock.sleep(CONFIRM_MS)
      if (isOver() || (await this.#isAllHeard()) || isOver()) return
      const [known, turn] = [this.#held, this.#turn]
      const { generation, held } = await this.#readTables(known)
      if (this.#turn !== turn) return
      if (held === known) {
        this.#reach(generation)
        return
      }
    } catch {
      // What cannot be asked is not confirmed.
    }
    if (!this.#listening) return
    this.forget()
    this.#onForeign()
  }

  /** A generation was told of; it counts once all before it are known. */
  #hear(generation: number): void {
    if (this.#ahead.size >= AHEAD_MAX) this.#ahead.clear()
    this.#ahead.add(generation)
    if (this.#generation !== undefined) this.#reach(this.#generation)
  }

  /** All is known up to this generation, and to those told of that follow it. */
  #reach(generation: number): void {
    let known = generation
    while (this.#ahead.delete(following(known))) known = following(known)
    this.#generation = known
  }
}

/** The kernel counts generations one by one and leaves 0 out. */
function following(generation: number): number {
  return (generation + 1) >>> 0 || 1
}

function isLarge(changes: readonly Change[]): boolean {
  let count = 0
  for (const change of changes) count += 'elements' in change ? change.elements.length : 1
  return count >= UNHEARD_MIN
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
