import { type Clock, PurlinError } from '@purlin/base'

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 30_000
/** A machine that ran so long since it was resumed begins anew. */
const CALM_MS = 60_000

interface Resumed {
  readonly atMs: number
  readonly pauseMs: number
}

/** Holds machines back that stop on an I/O error again and again: each time twice as long, so that
 *  a pool that answers nothing but errors costs the host no more than a try each half minute. */
export class ResumePace {
  readonly #clock: Clock
  readonly #last = new Map<string, Resumed>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes that the machine is resumed now. Errors: PUR_VIRT_IO_ERROR where that is too early. */
  admit(machine: string): void {
    const now = this.#clock.monotonicMs()
    const last = this.#last.get(machine)
    const sinceMs = last === undefined ? CALM_MS : now - last.atMs
    if (last === undefined || sinceMs >= CALM_MS) {
      this.#last.set(machine, { atMs: now, pauseMs: FIRST_PAUSE_MS })
      return
    }
    if (sinceMs < last.pauseMs) {
      throw new PurlinError('PUR_VIRT_IO_ERROR', {
        message: `machine ${machine} stopped on an I/O error again, ${Math.round(sinceMs)} ms after it was resumed; it is resumed again ${last.pauseMs} ms after that; look at its volumes`,
        context: { machine },
      })
    }
    this.#last.set(machine, { atMs: now, pauseMs: Math.min(LONGEST_PAUSE_MS, last.pauseMs * 2) })
  }
}
