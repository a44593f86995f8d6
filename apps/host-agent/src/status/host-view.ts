import type { Fact, PurlinError } from '@purlin/base'
import type { NicFilter } from '@purlin/netfilter'
import type { StorageHealth } from '@purlin/storage'
import type { ForeignDomain, MachineCondition, PowerState, Rest } from '@purlin/virt'
import type { SwitchHealth } from '@purlin/vswitch'

/** What a lane has come to: how far, and what stands in its way. */
export interface LaneView {
  /** Desired revision that its last pass worked on; 0 before the first. */
  readonly passedRevision: number
  /** Highest desired revision at which nothing was left to do. */
  readonly convergedRevision: number
  readonly failure?: { readonly summary: string; readonly error: PurlinError }
  /** Steps that wait for other lanes. */
  readonly waiting: readonly string[]
  /** Ports nobody wants any more, whose traces wait until it is known that no machine uses them,
   *  and the highest revision at which nothing else was left to do; absent where there are
   *  none. */
  readonly leftovers?: { readonly revision: number; readonly ports: readonly string[] }
}

export type LaneName = 'netfilter' | 'vswitch' | 'virt' | 'storage'

/** How a machine is seen by libvirt. */
export interface MachineView {
  readonly state: PowerState
  readonly pendingRestart: boolean
  /** What of its spec waits for its guest or its next start; absent until that was looked at. */
  readonly conditions?: readonly MachineCondition[]
  /** What its guest has while it is active. */
  readonly live?: { readonly cpus: number; readonly memoryMiB: number }
  /** Why it is off and not started though it should run; absent: it is not so. */
  readonly rest?: Exclude<Rest, 'none' | 'pausing'>
  /** It was taken in while it ran, and is as somebody else made it until its next start. */
  readonly adopted?: boolean
  /** Another host has its lease: it is not started here before that lets it go. */
  readonly leasedTo?: string
  /** It stands still because a disk did not answer. */
  readonly ioError?: boolean
}

/** A domain that is not Purlin’s, with the host that it is on. */
export interface ForeignMachine extends ForeignDomain {
  readonly host: string
}

/** All that is observed of this host, at one moment. Status and tasks are judged from it alone. */
export interface HostView {
  readonly facts: ReadonlySet<Fact>
  readonly lanes: Readonly<Record<LaneName, LaneView>>
  readonly machines: ReadonlyMap<string, MachineView>
  /** Domains of libvirt that are not Purlin’s; absent until that was looked at. */
  readonly foreign?: readonly ForeignMachine[]
  /** How each switch is seen here, by its name. */
  readonly switches?: ReadonlyMap<string, SwitchHealth>
  /** How each NIC is filtered, by `MACHINE.NIC`; absent until that was looked at. */
  readonly nics?: ReadonlyMap<string, NicFilter>
  /** How pools and volumes are seen; absent where the host serves none. */
  readonly storage?: StorageHealth
}

/** A lane that has not looked yet. */
export const UNSEEN_LANE: LaneView = { passedRevision: 0, convergedRevision: 0, waiting: [] }
