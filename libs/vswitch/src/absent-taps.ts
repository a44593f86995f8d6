import { nameOfAlias, PORT_MARK } from './mark.ts'
import type { VswitchObserved } from './observed.ts'

/** As long as a machine takes to come up, many times over. */
const ABSENT_MS = 120_000
const PART = /^(?:pbr|pin|pout|ptap)-([0-9a-f]{8})$/

/** Remembers since when the tap of each port of ours is not on the host. A machine that uses a NIC
 *  has its tap, also while libvirt does not answer; so a port whose tap is away long enough is used
 *  by none. */
export class AbsentTaps {
  readonly #sinceMs = new Map<string, number>()

  /** Keys of the ports whose tap has been away for two minutes, or longer, of this watch. */
  look(
    { links, switchPorts }: Pick<VswitchObserved, 'links' | 'switchPorts'>,
    nowMs: number,
  ): ReadonlySet<string> {
    const marked = [
      ...[...links.values()].map(({ name, alias }) => [name, nameOfAlias(PORT_MARK, alias)]),
      ...[...switchPorts.values()].map((port) => [port.name, port.externalIds[PORT_MARK]]),
    ] as const
    const keys = new Set(
      marked.flatMap(([name = '', port]) =>
        port === undefined ? [] : (PART.exec(name)?.[1] ?? []),
      ),
    )
    for (const key of this.#sinceMs.keys()) if (!keys.has(key)) this.#sinceMs.delete(key)
    const absent = new Set<string>()
    for (const key of keys) {
      if (links.has(`ptap-${key}`)) {
        this.#sinceMs.delete(key)
        continue
      }
      const sinceMs = this.#sinceMs.get(key) ?? nowMs
      this.#sinceMs.set(key, sinceMs)
      if (nowMs - sinceMs >= ABSENT_MS) absent.add(key)
    }
    return absent
  }
}
