import type { Clock } from '@purlin/base'
import { type HostCounters, type HostTree, hostUseOf, readCounters } from '@purlin/hardware'
import type { HostUse } from '@purlin/schema'
import { type LibvirtPort, type MachineCounters, readMachineCounters } from '@purlin/virt'

/** How long libvirt may take for the counters of all domains. */
const STATISTICS_DEADLINE_MS = 5_000
/** Who asks again within this gets the same answer, so that many askers cost no more than one. */
const FRESH_MS = 1_000

/** What was counted at a moment. */
export interface Measured {
  readonly atMs: number
  readonly monotonicMs: number
  readonly host: HostCounters
  readonly machines: readonly MachineCounters[]
  /** Why machines are not counted; absent: they are. */
  readonly unmeasured?: string
}

/** Names of the devices that are hardware. */
export interface HardwareNames {
  readonly disks: ReadonlySet<string>
  readonly links: ReadonlySet<string>
}

export interface MeterOptions {
  readonly clock: Clock
  readonly tree: HostTree
  readonly libvirt: Pick<LibvirtPort, 'statistics'>
  readonly names: () => HardwareNames
  readonly signal: AbortSignal
}

/** Counts what the host and its domains have used, when somebody asks. */
export class Meter {
  readonly #options: MeterOptions
  #underWay: Promise<Measured> | undefined
  #last: Measured | undefined

  constructor(options: MeterOptions) {
    this.#options = options
  }

  /** Counted now, or within the last second. libvirt that does not answer leaves machines out. */
  async measure(): Promise<Measured> {
    const nowMs = this.#options.clock.monotonicMs()
    if (this.#last !== undefined && nowMs - this.#last.monotonicMs < FRESH_MS) return this.#last
    this.#underWay ??= this.#count().finally(() => {
      this.#underWay = undefined
    })
    return await this.#underWay
  }

  async #count(): Promise<Measured> {
    const { clock, tree, libvirt, names, signal } = this.#options
    const call = { deadlineMs: STATISTICS_DEADLINE_MS, signal }
    const [host, counted] = await Promise.all([
      readCounters(tree, names()),
      libvirt.statistics(call).then(
        (all) => ({ machines: all.map(readMachineCounters) }),
        (thrown) => ({
          machines: [],
          unmeasured: thrown instanceof Error ? thrown.message : String(thrown),
        }),
      ),
    ])
    this.#last = { atMs: clock.nowMs(), monotonicMs: clock.monotonicMs(), host, ...counted }
    return this.#last
  }
}

/** What the host used between two measures, or, with one alone, what stands in it. Pure. */
export function hostUseBetween(before: Measured | undefined, now: Measured): HostUse {
  if (before === undefined) return hostUseOf(now.host, undefined, now.atMs)
  const secondsAgo = (now.monotonicMs - before.monotonicMs) / 1_000
  return hostUseOf(now.host, { counters: before.host, secondsAgo }, now.atMs)
}
