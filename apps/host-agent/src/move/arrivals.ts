import type { Clock } from '@purlin/base'

/** How long a port that has come takes TCP connections up in their middle: some rounds of a sender
 *  that repeats what was lost (RFC 6298). */
export const TAKE_UP_MS = 30_000

/** Ports that have come to this host of late, each for a while. An agent that starts meanwhile
 *  knows of none. */
export class Arrivals {
  readonly #grounds: { readonly clock: Clock; readonly signal: AbortSignal }
  readonly #onChange: (ports: ReadonlySet<string>) => void
  /** How often each has come, as far as its time is not over. */
  readonly #ports = new Map<string, number>()

  constructor(
    grounds: { readonly clock: Clock; readonly signal: AbortSignal },
    onChange: (ports: ReadonlySet<string>) => void,
  ) {
    this.#grounds = grounds
    this.#onChange = onChange
  }

  /** Notes that ports have come now. */
  note(ports: readonly string[]): void {
    const { clock, signal } = this.#grounds
    this.#count(ports, 1)
    clock.sleep(TAKE_UP_MS, signal).then(
      () => this.#count(ports, -1),
      () => {},
    )
  }

  #count(ports: readonly string[], by: number): void {
    for (const port of ports) {
      const count = (this.#ports.get(port) ?? 0) + by
      if (count > 0) this.#ports.set(port, count)
      else this.#ports.delete(port)
    }
    this.#onChange(new Set(this.#ports.keys()))
  }
}
