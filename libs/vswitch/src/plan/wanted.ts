import type { LimitWanted } from './limit.ts'

/** A port of a bridge as it should stand in the database. */
export interface SwitchPortWanted {
  readonly bridge: string
  /** Access VLAN; undefined: a trunk of every VLAN. */
  readonly tag: number | undefined
  /** VLANs that an access port carries tagged beside its own. */
  readonly trunks: readonly number[]
  readonly externalIds: Readonly<Record<string, string>>
  readonly interfaceIds: Readonly<Record<string, string>>
  /** Its interfaces; absent: the one device of the port's own name. */
  readonly interfaces?: readonly InterfaceWanted[]
  readonly bond?: { readonly mode: string; readonly lacp: string }
  /** Frames of other protected ports do not come here. */
  readonly isProtected?: boolean
  readonly limit?: LimitWanted
  /** Its device need not be open: ever, as a machine's tap that may come later, or only as long as
   *  the other end of the cable is not made. */
  readonly mayWait?: 'always' | 'for-peer'
}

/** An interface that Open vSwitch makes itself (`patch`, `vxlan`, …), or a device of the host. */
export interface InterfaceWanted {
  readonly name: string
  /** Empty: a device of the host. */
  readonly type: string
  readonly options: Readonly<Record<string, string>>
}

/** A bridge that a switch needs, with the ports that belong to its making. */
export interface BridgeWanted {
  readonly name: string
  readonly marks: Readonly<Record<string, string>>
  readonly failMode: 'standalone' | 'secure'
  readonly mtu: number
  /** `ADDRESS/LENGTH` of its own device. */
  readonly address?: string
  readonly ports: ReadonlyMap<string, SwitchPortWanted>
}
