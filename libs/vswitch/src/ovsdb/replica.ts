import type { TableName } from './operation.ts'
import { atomsOf, isTrue, numberOf, referencesOf, textMapOf, textOf } from './value.ts'

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
  readonly mirrors: readonly string[]
  readonly sflow: string | undefined
  readonly ipfix: string | undefined
}

export interface PortRow {
  readonly id: string
  readonly name: string
  readonly interfaces: readonly string[]
  readonly tag: number | undefined
  readonly vlanMode: string | undefined
  readonly trunks: readonly number[]
  readonly externalIds: Readonly<Record<string, string>>
  readonly bondMode: string | undefined
  readonly lacp: string | undefined
  readonly isProtected: boolean
  readonly qos: string | undefined
}

export interface InterfaceRow {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly options: Readonly<Record<string, string>>
  /** Number of the port in OpenFlow; -1 where ovs-vswitchd could not open the device. */
  readonly ofport: number | undefined
  readonly error: string | undefined
  readonly mtuRequest: number | undefined
  /** Bytes, as the device has it. */
  readonly mtu: number | undefined
  readonly linkState: string | undefined
  /** Whether LACP counts the member in; absent where it does not run. */
  readonly lacpCurrent: boolean | undefined
  readonly externalIds: Readonly<Record<string, string>>
}

/** A row with settings of its own kind: QoS, Queue, Mirror, sFlow, IPFIX. */
export interface SettingsRow {
  readonly id: string
  readonly externalIds: Readonly<Record<string, string>>
  readonly columns: Readonly<Record<string, unknown>>
}

/** The columns that are watched. Statistics are left out on purpose: they change every 5 s and
 *  would wake whoever waits for drift. */
export const watchedColumns: Readonly<Record<TableName, readonly string[]>> = {
  Open_vSwitch: ['bridges', 'next_cfg', 'cur_cfg'],
  Bridge: [
    'name',
    'ports',
    'datapath_type',
    'fail_mode',
    'external_ids',
    'mirrors',
    'sflow',
    'ipfix',
  ],
  Port: [
    'name',
    'interfaces',
    'tag',
    'vlan_mode',
    'trunks',
    'external_ids',
    'bond_mode',
    'lacp',
    'protected',
    'qos',
  ],
  Interface: [
    'name',
    'type',
    'options',
    'ofport',
    'error',
    'mtu_request',
    'mtu',
    'link_state',
    'lacp_current',
    'external_ids',
  ],
  QoS: ['type', 'other_config', 'queues', 'external_ids'],
  Queue: ['other_config', 'external_ids'],
  Mirror: ['name', 'select_src_port', 'select_dst_port', 'output_port', 'external_ids'],
  sFlow: ['targets', 'sampling', 'polling', 'external_ids'],
  IPFIX: ['targets', 'sampling', 'cache_active_timeout', 'external_ids'],
}

const settingsTables = ['QoS', 'Queue', 'Mirror', 'sFlow', 'IPFIX'] as const
export type SettingsTable = (typeof settingsTables)[number]

/** The tables that Purlin uses, as the database last told them. */
export interface Replica {
  readonly root: RootRow | undefined
  readonly bridges: ReadonlyMap<string, BridgeRow>
  readonly ports: ReadonlyMap<string, PortRow>
  readonly interfaces: ReadonlyMap<string, InterfaceRow>
  readonly settings: Readonly<Record<SettingsTable, ReadonlyMap<string, SettingsRow>>>
}

export const emptyReplica: Replica = {
  root: undefined,
  bridges: new Map(),
  ports: new Map(),
  interfaces: new Map(),
  settings: {
    QoS: new Map(),
    Queue: new Map(),
    Mirror: new Map(),
    sFlow: new Map(),
    IPFIX: new Map(),
  },
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
    settings: settingsAfter(replica.settings, updates),
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

function settingsAfter(settings: Replica['settings'], updates: TableUpdates): Replica['settings'] {
  if (settingsTables.every((table) => updates[table] === undefined)) return settings
  const read = (id: string, columns: Columns): SettingsRow => ({
    id,
    externalIds: textMapOf(columns.external_ids),
    columns,
  })
  return {
    QoS: after(settings.QoS, updates.QoS, read),
    Queue: after(settings.Queue, updates.Queue, read),
    Mirror: after(settings.Mirror, updates.Mirror, read),
    sFlow: after(settings.sFlow, updates.sFlow, read),
    IPFIX: after(settings.IPFIX, updates.IPFIX, read),
  }
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
    mirrors: referencesOf(columns.mirrors),
    sflow: referencesOf(columns.sflow)[0],
    ipfix: referencesOf(columns.ipfix)[0],
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
    bondMode: textOf(columns.bond_mode),
    lacp: textOf(columns.lacp),
    isProtected: isTrue(columns.protected),
    qos: referencesOf(columns.qos)[0],
  }
}

function interfaceRow(id: string, columns: Columns): InterfaceRow {
  const [lacpCurrent] = atomsOf(columns.lacp_current)
  return {
    id,
    name: textOf(columns.name) ?? '',
    type: textOf(columns.type) ?? '',
    options: textMapOf(columns.options),
    ofport: numberOf(columns.ofport),
    error: textOf(columns.error),
    mtuRequest: numberOf(columns.mtu_request),
    mtu: numberOf(columns.mtu),
    linkState: textOf(columns.link_state),
    lacpCurrent: lacpCurrent === undefined ? undefined : isTrue(lacpCurrent),
    externalIds: textMapOf(columns.external_ids),
  }
}
