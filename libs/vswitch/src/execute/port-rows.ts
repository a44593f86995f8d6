import { insert, mutate, type Operation, setKeys, update } from '../ovsdb/operation.ts'
import type { BridgeRow, InterfaceRow, PortRow, Replica } from '../ovsdb/replica.ts'
import { mapOf, namedUuid, setOf, uuid, type WireValue } from '../ovsdb/value.ts'
import { vlanMode } from '../plan/port.ts'
import type { InterfaceWanted, SwitchPortWanted } from '../plan/wanted.ts'
import { limitChanges } from './limit.ts'

/** A port of the database with the rows that it is made of. */
export interface StandingPort {
  readonly port: PortRow
  readonly interfaces: readonly InterfaceRow[]
  readonly bridge: BridgeRow | undefined
}

/** The port of that name, whatever bridge it is on. Pure. */
export function portNamed(replica: Replica, name: string): StandingPort | undefined {
  const port = [...replica.ports.values()].find((row) => row.name === name)
  if (port === undefined) return undefined
  const bridge = [...replica.bridges.values()].find((row) => row.ports.includes(port.id))
  const interfaces = port.interfaces.flatMap((id) => replica.interfaces.get(id) ?? [])
  return { port, interfaces, bridge }
}

/** Operations that make a port. `label` names its new rows within the transaction, a letter and
 *  digits, another one for each port of it. Pure. */
export function portInsertion(
  label: string,
  name: string,
  bridge: BridgeRow,
  wanted: SwitchPortWanted,
  replica: Replica,
): readonly Operation[] {
  const devices = interfacesOf(name, wanted)
  const limit = limitChanges(label, undefined, wanted, replica)
  return [
    ...devices.map((one, index) => interfaceInsertion(label, one, index, wanted)),
    ...limit.operations,
    insert('Port', `${label}_port`, {
      name,
      interfaces: setOf(devices.map((_one, index) => deviceRow(label, index))),
      external_ids: mapOf(wanted.externalIds),
      ...portColumns(wanted),
      ...(limit.qos !== undefined && { qos: limit.qos }),
    }),
    mutate('Bridge', bridge.id, [['ports', 'insert', namedUuid(`${label}_port`)]]),
  ]
}

/** Operations that change a port in place. `label` as for `portInsertion`. Pure. */
export function portChanges(
  label: string,
  standing: StandingPort,
  bridge: BridgeRow,
  wanted: SwitchPortWanted,
  replica: Replica,
): readonly Operation[] {
  const { port } = standing
  const moved = standing.bridge !== undefined && standing.bridge.id !== bridge.id
  const limit = limitChanges(label, port, wanted, replica)
  const members = interfacesOf(port.name, wanted).map((one, index) => {
    const row = standing.interfaces.find(({ name }) => name === one.name)
    if (row === undefined) {
      return {
        reference: deviceRow(label, index),
        operations: [interfaceInsertion(label, one, index, wanted)],
      }
    }
    const retyped = (row.type === 'system' ? '' : row.type) !== one.type
    return {
      reference: uuid(row.id),
      operations: [
        ...(retyped ? [update('Interface', row.id, { type: one.type })] : []),
        ...settings(row.id, 'options', one.options),
        ...settings(row.id, 'external_ids', wanted.interfaceIds),
      ],
    }
  })
  return [
    ...members.flatMap(({ operations }) => operations),
    ...limit.operations,
    update('Port', port.id, {
      ...portColumns(wanted),
      interfaces: setOf(members.map(({ reference }) => reference)),
      ...(limit.qos !== undefined && { qos: limit.qos }),
    }),
    mutate('Port', port.id, setKeys('external_ids', wanted.externalIds)),
    ...(moved && standing.bridge !== undefined
      ? [
          mutate('Bridge', standing.bridge.id, [['ports', 'delete', uuid(port.id)]]),
          mutate('Bridge', bridge.id, [['ports', 'insert', uuid(port.id)]]),
        ]
      : []),
  ]
}

/** A machine's port names its mode, its VLAN and those it carries tagged; an uplink names none and
 *  carries all. */
function vlanColumns({ tag, trunks }: SwitchPortWanted): Readonly<Record<string, WireValue>> {
  return tag === undefined
    ? { tag: setOf([]), vlan_mode: setOf([]), trunks: setOf([]) }
    : { tag, vlan_mode: vlanMode(trunks), trunks: setOf(trunks) }
}

/** Settings of the port beside its VLANs. A port of one interface is no bond, whatever it says. */
function portColumns(wanted: SwitchPortWanted): Readonly<Record<string, WireValue>> {
  return {
    ...vlanColumns(wanted),
    protected: wanted.isProtected ?? false,
    bond_mode: wanted.bond === undefined ? setOf([]) : wanted.bond.mode,
    lacp: wanted.bond === undefined ? setOf([]) : wanted.bond.lacp,
  }
}

function interfacesOf(name: string, wanted: SwitchPortWanted): readonly InterfaceWanted[] {
  return wanted.interfaces ?? [{ name, type: '', options: {} }]
}

function deviceRow(label: string, index: number): ReturnType<typeof namedUuid> {
  return namedUuid(`${label}_device${index}`)
}

function interfaceInsertion(
  label: string,
  one: InterfaceWanted,
  index: number,
  wanted: SwitchPortWanted,
): Operation {
  return insert('Interface', `${label}_device${index}`, {
    name: one.name,
    type: one.type,
    options: mapOf(one.options),
    external_ids: mapOf(wanted.interfaceIds),
  })
}

function settings(
  row: string,
  column: 'options' | 'external_ids',
  entries: Readonly<Record<string, string>>,
): readonly Operation[] {
  return Object.keys(entries).length === 0
    ? []
    : [mutate('Interface', row, setKeys(column, entries))]
}
