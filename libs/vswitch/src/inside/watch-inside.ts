import type { Clock, Run } from '@purlin/base'
import { followProgram } from './follow-program.ts'
import type { KernelSettings } from './kernel-settings.ts'
import { type KeptPlace, lackingOf, listInside } from './listing.ts'
import { readOtherSettings } from './set-kernel.ts'

const RESTART_PAUSE_MS = 1_000
/** Within this the programs listen; until then a change may be missed, so one more look is due. */
const SETTLE_MS = 1_000
/** A kernel under pressure may leave notifications out. */
const OLDEST_LOOK_MS = 300_000

const MONITORS = {
  addresses: ['ip', '-oneline', 'monitor', 'link', 'address', 'route', 'rule', 'netconf'],
  rules: ['nft', 'monitor'],
} as const

/** A place, and what was written down of it when it was brought about. */
export interface WrittenPlace extends KeptPlace {
  readonly written: readonly string[]
}

/** What of a place is not as it was written down, and shall be. */
export interface Lacking {
  readonly lines: readonly string[]
  readonly kernel: KernelSettings
}

interface Look {
  readonly lines: readonly string[]
  readonly kernel: KernelSettings
}

interface Followed {
  readonly stop: AbortController
  /** Counts what was told of changes. */
  changes: number
  look: { readonly at: number; readonly changes: number; readonly found: Look } | undefined
}

/** Knows what stands inside the namespaces of this host without asking at every look: the kernel
 *  tells of changes, and only then a namespace is read. */
export class InsideWatch {
  readonly #run: Run
  readonly #clock: Clock
  readonly #followed = new Map<number, Followed>()
  #listener:
    | { readonly onChange: (reason: string) => void; readonly signal: AbortSignal }
    | undefined

  constructor(run: Run, clock: Clock) {
    this.#run = run
    this.#clock = clock
  }

  /** From now on changes are followed, and told, until `signal`. */
  begin(onChange: (reason: string) => void, signal: AbortSignal): void {
    this.#listener = { onChange, signal }
  }

  /** What of each place stands no more, by its name. Errors: those of `listInside` and
   *  `readOtherSettings`. */
  async lacking(
    places: readonly WrittenPlace[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Lacking>> {
    const kept = new Set(places.map(({ processId }) => processId))
    for (const [processId, { stop }] of this.#followed) {
      if (kept.has(processId)) continue
      stop.abort()
      this.#followed.delete(processId)
    }
    const found = new Map<string, Lacking>()
    for (const place of places) {
      const { lines, kernel } = await this.#lookAt(place, signal)
      found.set(place.name, { lines: lackingOf(place.written, lines), kernel })
    }
    return found
  }

  async #lookAt(place: KeptPlace, signal: AbortSignal): Promise<Look> {
    const followed = this.#follow(place)
    if (followed === undefined) return await this.#read(place, signal)
    const at = this.#clock.monotonicMs()
    const { look, changes } = followed
    if (look?.changes === changes && at - look.at < OLDEST_LOOK_MS) return look.found
    const found = await this.#read(place, signal)
    // Of most settings the kernel tells nothing, so once they are mended they are read again.
    followed.look = found.kernel.length > 0 ? undefined : { at, changes, found }
    return found
  }

  async #read(place: KeptPlace, signal: AbortSignal): Promise<Look> {
    const [lines, kernel] = await Promise.all([
      listInside(this.#run, place, signal),
      readOtherSettings(this.#run, place.processId, place.kernel, signal),
    ])
    return { lines, kernel }
  }

  #follow(place: KeptPlace): Followed | undefined {
    const listener = this.#listener
    if (listener === undefined || listener.signal.aborted) return undefined
    const known = this.#followed.get(place.processId)
    if (known !== undefined) return known
    const stop = new AbortController()
    const followed: Followed = { stop, changes: 0, look: undefined }
    this.#followed.set(place.processId, followed)
    const signal = AbortSignal.any([listener.signal, stop.signal])
    const changed = (): void => {
      followed.changes++
      listener.onChange(`something changed inside ${place.name}`)
    }
    const monitors = place.hasRules ? [MONITORS.addresses, MONITORS.rules] : [MONITORS.addresses]
    for (const monitor of monitors) {
      this.#keep(place.processId, monitor, changed, signal).catch(() => {})
    }
    this.#clock.sleep(SETTLE_MS, signal).then(
      () => void followed.changes++,
      () => {},
    )
    return followed
  }

  async #keep(
    processId: number,
    monitor: readonly string[],
    changed: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      await followProgram(processId, monitor, changed, signal).ended
      await this.#clock.sleep(RESTART_PAUSE_MS, signal)
      changed()
    }
  }
}
