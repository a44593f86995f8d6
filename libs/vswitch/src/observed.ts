import type { KernelDrift } from './inside/set-kernel.ts'
import type { Link } from './links/link.ts'
import type { PipelineObserved } from './openflow/pipelines.ts'
import type { RouterObserved } from './router/state.ts'
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
  /** Its interfaces: one, or the members of a bond. */
  readonly interfaces: readonly InterfaceObserved[]
  readonly bondMode: string | undefined
  readonly lacp: string | undefined
  readonly isProtected: boolean
  /** What limits it in sending, in the database's own words; undefined where nothing does. */
  readonly limit: LimitObserved | undefined
}

export interface InterfaceObserved {
  readonly name: string
  readonly type: string
  readonly options: Readonly<Record<string, string>>
  readonly ofport: number | undefined
  readonly error: string | undefined
  readonly linkState: string | undefined
  readonly lacpCurrent: boolean | undefined
  readonly mtu: number | undefined
}

export interface LimitObserved {
  readonly isOurs: boolean
  readonly type: string
  readonly maxRate: string | undefined
  /** Settings of queue 0, through which all frames go. */
  readonly queue: Readonly<Record<string, string>>
}

export interface MirrorObserved {
  /** Text of its mark; undefined: another's. */
  readonly mark: string | undefined
  readonly name: string
  /** Ports by device. */
  readonly sources: readonly string[]
  readonly destinations: readonly string[]
  readonly output: string | undefined
}

/** sFlow or IPFIX of a bridge, as the database has it. */
export interface FlowExportObserved {
  readonly isOurs: boolean
  readonly protocol: 'sflow' | 'ipfix'
  readonly collectors: readonly string[]
  readonly sampling: number | undefined
  readonly counterSeconds: number | undefined
}

export interface BridgeObserved {
  readonly name: string
  readonly datapathType: string
  readonly failMode: string | undefined
  readonly externalIds: Readonly<Record<string, string>>
  /** MTU asked for its own device; undefined where none is. */
  readonly mtuRequest: number | undefined
  readonly mirrors: readonly MirrorObserved[]
  readonly flowExports: readonly FlowExportObserved[]
}

/** What stands on the host now. */
export interface VswitchObserved {
  readonly bridges: ReadonlyMap<string, BridgeObserved>
  readonly switchPorts: ReadonlyMap<string, SwitchPortObserved>
  readonly links: ReadonlyMap<string, Link>
  readonly services: ReadonlyMap<string, ServiceObserved>
  readonly routers?: ReadonlyMap<string, RouterObserved>
  /** Settings of the kernel inside our namespaces that are others than they shall be. */
  readonly kernel?: readonly KernelDrift[]
  /** Flows of our bridges. */
  readonly pipelines: ReadonlyMap<string, PipelineObserved>
  /** Keys of ports whose tap was away so long that no machine uses them, whatever libvirt says. */
  readonly unused?: ReadonlySet<string>
  /** Whether frames on a bridge can be filtered at all: br_netfilter is in the kernel. */
  readonly filterable: boolean
  /** Datapath that a new bridge gets. */
  readonly datapathType: 'system' | 'netdev'
}
