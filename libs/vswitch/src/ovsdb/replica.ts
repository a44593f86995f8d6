import type { TableName } from './operation.ts'
import { atomsOf, numberOf, referencesOf, textMapOf, textOf } from './value.ts'

export interface RootRow {
  readonly id: string
  readonly bridges: readonly string[]
  /** Generation that clients asked ovs-vswitchd to apply. */
  readonly nextConfiguration: number
  /** Generation that ovs-vswitchd has applied. */
  readonly currentConfiguration: number
}

export interface BridgeRow {
  readonly id: string
  readonly name: string
  readonly ports: readonly string[]
  readonly datapathType: string
  readonly failMode: string | undefined
  readonly externalIds: Readonly<Record<string, string>>
}

export interface PortRow {
  readonly id: string
  readonly name: string
  readonly interfaces: readonly string[]
  readonly tag: number | undefined
  readonly vlanMode: string | undefined
  readonly trunks: readonly number[]
  readonly externalIds: Readonly<Record<string, string>>
}

export interface InterfaceRow {
  readonly id: string
  readonly name: string
  readonly type: string
  /** Number of the port in OpenFlow; -1 where ovs-vswitchd could not open the device. */
  readonly ofport: number | undefined
  readonly error: string | undefined
  readonly mtuRequest: number | undefined
  readonly externalIds: Readonly<Record<string, string>>
}

/** The columns that are watched. Statistics are left out on purpose: they change every 5 s and
 *  would wake whoever waits for drift. */
export const watchedColumns: Readonly<Record<TableName, readonly string[]>> = {
  Open_vSwitch: ['bridges', 'next_cfg', 'cur_cfg'],
  Bridge: ['name', 'ports', 'datapath_type', 'fail_mode', 'external_ids'],
  Port: ['name', 'interfaces', 'tag', 'vlan_mode', 'trunks', 'external_ids'],
  Interface: ['name', 'type', 'ofport', 'error', 'mtu_request', 'external_ids'],
}

/** The tables that Purlin uses, as the database last told them. */
export interface Replica {
  readonly root: RootRow | undefined
  readonly bridges: ReadonlyMap<string, BridgeRow>
  readonly ports: ReadonlyMap<string, PortRow>
  readonly interfaces: ReadonlyMap<string, InterfaceRow>
}

export const emptyReplica: Replica = {
  root: undefined,
  bridges: new Map(),
  ports: new Map(),
  interfaces: new Map(),
}

type RowUpdate = { readonly new?: Readonly<Record<string, unknown>> }
export type TableUpdates = Readonly<Record<string, Readonly<Record<string, RowUpdate>>>>

/** The replica after a `<table-updates>` of RFC 7047 section 4.1.6: each row is told whole, or told
 *  gone by the absence of `new`. Pure; maps that nothing touched are shared with the one before. */
export function applyUpdates(replica: Replica, updates: TableUpdates): Replica {
  return {
    root: rootAfter(replica.root, updates.Open_vSwitch),
    bridges: after(replica.bridges, updates.Bridge, bridgeRow),
    ports: after(replica.ports, updates.Port, portRow),
    interfaces: after(replica.interfaces, updates.Interface, interfaceRow),
  }
}

type Columns = Readonly<Record<string, unknown>>

function after<Kind>(
  rows: ReadonlyMap<string, Kind>,
  updates: Readonly<Record<string, RowUpdate>> | undefined,
  read: (id: string, columns: Columns) => Kind,
): ReadonlyMap<string, Kind> {
  if (updates === undefined) return rows
  const next = new Map(rows)
  for (const [id, change] of Object.entries(updates)) {
    if (change.new === undefined) next.delete(id)
    else next.set(id, read(id, change.new))
  }
  return next
}

function rootAfter(
  root: RootRow | undefined,
  updates: Readonly<Record<string, RowUpdate>> | undefined,
): RootRow | undefined {
  let next = root
  for (const [id, change] of Object.entries(updates ?? {})) {
    if (change.new === undefined) next = undefined
    else {
      next = {
        id,
        bridges: referencesOf(change.new.bridges),
        nextConfiguration: numberOf(change.new.next_cfg) ?? 0,
        currentConfiguration: numberOf(change.new.cur_cfg) ?? 0,
      }
    }
  }
  return next
}

function bridgeRow(id: string, columns: Columns): BridgeRow {
  return {
    id,
    name: textOf(columns.name) ?? '',
    ports: referencesOf(columns.ports),
    datapathType: textOf(columns.datapath_type) ?? '',
    failMode: textOf(columns.fail_mode),
    externalIds: textMapOf(columns.external_ids),
  }
}

function portRow(id: string, columns: Columns): PortRow {
  return {
    id,
    name: textOf(columns.name) ?? '',
    interfaces: referencesOf(columns.interfaces),
    tag: numberOf(columns.tag),
    vlanMode: textOf(columns.vlan_mode),
    trunks: atomsOf(columns.trunks).map(Number),
    externalIds: textMapOf(columns.external_ids),
  }
}

function interfaceRow(id: string, columns: Columns): InterfaceRow {
  return {
    id,
    name: textOf(columns.name) ?? '',
    type: textOf(columns.type) ?? '',
    ofport: numberOf(columns.ofport),
    error: textOf(columns.error),
    mtuRequest: numberOf(columns.mtu_request),
    externalIds: textMapOf(columns.external_ids),
  }
}
