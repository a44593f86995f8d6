import { PurlinError } from '@purlin/base'
import type { ConsoleKind } from '@purlin/virt'

/** Places at the consoles of one host. */
export const SEATS = {
  host: 64,
  /** A serial port has one keyboard. */
  serial: 1,
  vnc: 4,
} as const

/** Somebody at a console, or on the way there. */
export interface Seat {
  readonly machine: string
  readonly uuid: string
  readonly kind: ConsoleKind
  /** Who it is, as `Caller.name`. */
  readonly user: string
}

/** Who sits at which console. */
export class Seats<Sitting extends Seat> {
  readonly #taken = new Set<Sitting>()

  all(): readonly Sitting[] {
    return [...this.#taken]
  }

  /** Who has to go for another to sit down there. Errors: PUR_CONSOLE_BUSY at a serial port unless
   *  by force, PUR_CONSOLE_LIMIT. */
  inTheWay({ machine, uuid, kind }: Omit<Seat, 'user'>, force: boolean): readonly Sitting[] {
    const there = this.all().filter((one) => one.uuid === uuid && one.kind === kind)
    if (kind === 'serial' && there[0] !== undefined) {
      if (force) return there
      const message = `serial console of machine ${machine}: ${there[0].user} is at it; ask with force to take it over`
      throw new PurlinError('PUR_CONSOLE_BUSY', { message, context: { machine } })
    }
    const [seats, whose] =
      there.length >= SEATS[kind] ? [SEATS[kind], `machine ${machine}`] : [SEATS.host, 'this host']
    if (there.length < SEATS[kind] && this.#taken.size < SEATS.host) return []
    const message = `console of machine ${machine}: ${seats} of ${whose} are open, which is the most; close one`
    throw new PurlinError('PUR_CONSOLE_LIMIT', { message, context: { machine } })
  }

  take(seat: Sitting): void {
    this.#taken.add(seat)
  }

  leave(seat: Sitting): void {
    this.#taken.delete(seat)
  }
}
