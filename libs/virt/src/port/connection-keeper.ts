import { type Clock, PurlinError, toPurlinError, withDeadline } from '@purlin/base'
import type { Addon, AddonConnection, AddonEvent, AddonOpenOptions } from './addon.ts'
import { closeReason, type LibvirtEvent, readEvent } from './event.ts'
import type { CallOptions, ConnectionState, PortState } from './libvirt-port.ts'

export interface KeeperOptions {
  readonly addon: Addon
  readonly clock: Clock
  readonly open: AddonOpenOptions
  /** Pauses between attempts: doubled from the first to the longest, anew after a success. */
  readonly backoff: { readonly firstMs: number; readonly longestMs: number }
  /** A connection on which a call was late must answer a small question within this time. */
  readonly probeDeadlineMs: number
  readonly emit: (event: LibvirtEvent) => void
}

/** Keeps one connection open: opens it, notices its loss, tries again with growing pauses. */
export class ConnectionKeeper {
  readonly #options: KeeperOptions
  readonly #ended = new AbortController()
  #state: ConnectionState = 'connecting'
  #sinceMs: number
  #connection: AddonConnection | undefined
  #attempt: Promise<AddonConnection> | undefined
  #attemptSinceMs = 0
  #failure: string | undefined
  #lose: ((reason: string) => void) | undefined
  #probing = false

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#sinceMs = options.clock.monotonicMs()
    void this.#keep()
  }

  /** What is known of the connection now. */
  state(): PortState {
    const nowMs = this.#options.clock.monotonicMs()
    const running = (this.#connection?.runningCalls() ?? []).map((call) => ({
      call: call.what,
      ageMs: call.ageMs,
    }))
    if (this.#attempt !== undefined && this.#connection === undefined) {
      const call = `opening ${this.#options.open.uri}`
      running.push({ call, ageMs: nowMs - this.#attemptSinceMs })
    }
    const oldest = running.toSorted((one, other) => other.ageMs - one.ageMs)[0]
    return {
      connection: this.#state,
      uri: this.#options.open.uri,
      ageMs: nowMs - this.#sinceMs,
      ...(this.#failure !== undefined && { failure: this.#failure }),
      ...(oldest !== undefined && { stuckCall: oldest }),
    }
  }

  /** The open connection; waits for an attempt under way, never for the pause before the next.
   *  Errors: PUR_VIRT_UNREACHABLE, PUR_CANCELLED. */
  async connection(tried: string, options: CallOptions): Promise<AddonConnection> {
    if (this.#connection !== undefined) return this.#connection
    const attempt = this.#attempt
    if (attempt === undefined) throw this.#unreachable(tried, this.#failure ?? 'it was closed')
    try {
      return await withDeadline(tried, options.deadlineMs, () => attempt, options.signal)
    } catch (thrown) {
      const { code, message } = toPurlinError(thrown)
      if (code === 'PUR_CANCELLED') throw thrown
      const late = code === 'PUR_DEADLINE_PASSED'
      const found = late ? `it took no connection in ${options.deadlineMs} ms` : message
      throw this.#unreachable(tried, found)
    }
  }

  /** A call on this connection was late: unless a small question is answered, the connection is
   *  given up. */
  suspect(connection: AddonConnection): void {
    if (this.#probing || connection !== this.#connection) return
    this.#probing = true
    connection
      .hostname(this.#options.probeDeadlineMs)
      .catch(() => this.lost(connection, 'a call was late and so was the next'))
      .finally(() => {
        this.#probing = false
      })
  }

  /** This connection is of no use any more. */
  lost(connection: AddonConnection, reason: string): void {
    if (connection === this.#connection) this.#lose?.(reason)
  }

  /** Ends connection and attempts; no event comes after this. */
  close(): void {
    if (this.#state === 'closed') return
    this.#enter('closed')
    this.#ended.abort()
    this.#connection?.close()
    this.#connection = undefined
    this.#attempt = undefined
    this.#failure = 'it was closed'
  }

  async #keep(): Promise<void> {
    const { firstMs, longestMs } = this.#options.backoff
    let pauseMs = firstMs
    while (!this.#ended.signal.aborted) {
      const loss = Promise.withResolvers<string>()
      this.#lose = loss.resolve
      this.#enter('connecting')
      try {
        await this.#open()
      } catch (thrown) {
        if (this.#ended.signal.aborted) return
        this.#failure = thrown instanceof Error ? thrown.message : String(thrown)
        this.#enter('lost')
        await this.#pause(pauseMs)
        pauseMs = Math.min(pauseMs * 2, longestMs)
        continue
      }
      pauseMs = firstMs
      this.#failure = await loss.promise
      if (this.#ended.signal.aborted) return
      this.#connection?.close()
      this.#connection = undefined
      this.#options.emit({ kind: 'connection', state: 'lost', reason: this.#failure })
    }
  }

  async #open(): Promise<void> {
    let own: AddonConnection | undefined
    this.#attemptSinceMs = this.#options.clock.monotonicMs()
    const { addon, open } = this.#options
    this.#attempt = addon.openConnection(open, (event) => this.#receive(own, event))
    try {
      own = await this.#attempt
    } finally {
      this.#attempt = undefined
    }
    if (this.#ended.signal.aborted) {
      own.close()
      return
    }
    this.#connection = own
    this.#failure = undefined
    this.#enter('connected')
    this.#options.emit({ kind: 'connection', state: 'connected', reason: open.uri })
  }

  #receive(source: AddonConnection | undefined, raw: AddonEvent): void {
    if (this.#ended.signal.aborted) return
    if (raw.dropped > 0) this.#options.emit({ kind: 'missed', count: raw.dropped })
    if (raw.kind === 'closed') {
      if (source === this.#connection) this.#lose?.(closeReason(raw.detail))
      return
    }
    const event = readEvent(raw)
    if (event !== undefined && (source === undefined || source === this.#connection)) {
      this.#options.emit(event)
    }
  }

  async #pause(pauseMs: number): Promise<void> {
    try {
      await this.#options.clock.sleep(pauseMs, this.#ended.signal)
    } catch {
      // Aborted by close: the loop sees it.
    }
  }

  #enter(state: ConnectionState): void {
    if (this.#state === 'closed' || this.#state === state) return
    this.#state = state
    this.#sinceMs = this.#options.clock.monotonicMs()
  }

  #unreachable(tried: string, found: string): PurlinError {
    const { uri } = this.#options.open
    return new PurlinError('PUR_VIRT_UNREACHABLE', {
      message: `${tried}: libvirtd at ${uri} does not answer: ${found}`,
      context: { uri },
    })
  }
}
