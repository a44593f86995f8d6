import type { Link } from './links/link.ts'
import type { ServiceObserved } from './services/observe.ts'

/** A port of a bridge in the Open vSwitch database, ours or not. */
export interface SwitchPortObserved {
  readonly name: string
  readonly bridge: string
  readonly tag: number | undefined
  readonly vlanMode: string | undefined
  readonly trunks: readonly number[]
  /** Marks and other keys of the Port row. */
  readonly externalIds: Readonly<Record<string, string>>
  /** Keys of its Interface row: iface-id, attached-mac. */
  readonly interfaceIds: Readonly<Record<string, string>>
  readonly ofport: number | undefined
  readonly error: string | undefined
}

export interface BridgeObserved {
  readonly name: string
  readonly datapathType: string
  readonly failMode: string | undefined
  readonly externalIds: Readonly<Record<string, string>>
  /** MTU asked for its own device; undefined where none is. */
  readonly mtuRequest: number | undefined
}

/** What stands on the host now. */
export interface VswitchObserved {
  readonly bridges: ReadonlyMap<string, BridgeObserved>
  readonly switchPorts: ReadonlyMap<string, SwitchPortObserved>
  readonly links: ReadonlyMap<string, Link>
  readonly services: ReadonlyMap<string, ServiceObserved>
  /** Whether frames on a bridge can be filtered at all: br_netfilter is in the kernel. */
  readonly filterable: boolean
  /** Datapath that a new bridge gets. */
  readonly datapathType: 'system' | 'netdev'
}
