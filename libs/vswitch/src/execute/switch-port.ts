import { PurlinError } from '@purlin/base'
import { SWITCH_MARK } from '../mark.ts'
import { insert, mutate, type Operation, setKeys, update } from '../ovsdb/operation.ts'
import type { BridgeRow, InterfaceRow, PortRow, Replica } from '../ovsdb/replica.ts'
import { mapOf, namedUuid, setOf, uuid, type WireValue } from '../ovsdb/value.ts'
import { type SwitchPortWanted, vlanMode } from '../plan/port.ts'
import type { ExecuteContext } from './context.ts'
import { nameTaken } from './taken.ts'

const APPLY_DEADLINE_MS = 8_000

/** Puts the device into the switch as wanted, in one transaction, and returns when ovs-vswitchd
 *  has it open. A port that stands is changed in place, so that its traffic goes on. Errors:
 *  PUR_SWITCH_NAME_TAKEN, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function ensureSwitchPort(
  context: ExecuteContext,
  name: string,
  wanted: SwitchPortWanted,
): Promise<void> {
  const what = `put ${name} into switch ${wanted.bridge}`
  const before = await context.database.replica(context.signal)
  const bridge = ourBridge(what, before, wanted.bridge)
  const standing = portNamed(before, name)
  if (standing !== undefined) refuseForeignPort(what, standing, wanted)
  const unopened = standing?.interface?.ofport === -1 || standing?.interface?.error !== undefined
  if (standing !== undefined && unopened) {
    // ovs-vswitchd goes by the name and would keep the device it failed on; it must see it gone
    // first.
    await dropSwitchPort(context, name, wanted.externalIds)
  }
  const operations =
    standing === undefined || unopened
      ? insertion(name, bridge, wanted)
      : changes(standing, bridge, wanted)
  const applied = await context.database.apply(what, operations, APPLY_DEADLINE_MS, context.signal)
  const made = portNamed(applied, name)
  const ofport = made?.interface?.ofport
  if (made?.interface?.error !== undefined || ofport === undefined || ofport < 0) {
    throw new PurlinError('PUR_OVS_REFUSED', {
      message: `${what}: ovs-vswitchd could not open the device: ${made?.interface?.error ?? 'no reason given'}`,
      context: { device: name },
    })
  }
}

/** Takes the device out of its switch if it is there with one of the marks; another's port stays.
 *  Errors: PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function dropSwitchPort(
  context: ExecuteContext,
  name: string,
  marks: Readonly<Record<string, string>>,
): Promise<void> {
  const replica = await context.database.replica(context.signal)
  const standing = portNamed(replica, name)
  if (standing?.bridge === undefined || !bearsMark(standing.port, marks)) return
  await context.database.apply(
    `take ${name} out of switch ${standing.bridge.name}`,
    [mutate('Bridge', standing.bridge.id, [['ports', 'delete', uuid(standing.port.id)]])],
    APPLY_DEADLINE_MS,
    context.signal,
  )
}

interface StandingPort {
  readonly port: PortRow
  readonly interface: InterfaceRow | undefined
  readonly bridge: BridgeRow | undefined
}

function portNamed(replica: Replica, name: string): StandingPort | undefined {
  const port = [...replica.ports.values()].find((row) => row.name === name)
  if (port === undefined) return undefined
  const bridge = [...replica.bridges.values()].find((row) => row.ports.includes(port.id))
  return { port, interface: replica.interfaces.get(port.interfaces[0] ?? ''), bridge }
}

function ourBridge(what: string, replica: Replica, name: string): BridgeRow {
  const bridge = [...replica.bridges.values()].find((row) => row.name === name)
  if (bridge === undefined) {
    throw new PurlinError('PUR_OVS_REFUSED', {
      message: `${what}: there is no bridge ${name} yet; it is made by the step of the switch`,
    })
  }
  if (bridge.externalIds[SWITCH_MARK] !== name) {
    throw nameTaken(
      what,
      `bridge ${name} exists and has no mark of Purlin`,
      `remove it (ovs-vsctl del-br ${name}) or name the switch otherwise`,
    )
  }
  return bridge
}

function bearsMark(port: PortRow, marks: Readonly<Record<string, string>>): boolean {
  return Object.entries(marks).some(([key, text]) => port.externalIds[key] === text)
}

function refuseForeignPort(what: string, standing: StandingPort, wanted: SwitchPortWanted): void {
  if (bearsMark(standing.port, wanted.externalIds)) return
  throw nameTaken(
    what,
    `bridge ${standing.bridge?.name ?? 'unknown'} has a port ${standing.port.name} without Purlin's mark`,
    `take it out: ovs-vsctl del-port ${standing.port.name}`,
  )
}

/** A machine's port names its mode, its VLAN and those it carries tagged; an uplink names none and
 *  carries all. */
function vlanColumns({ tag, trunks }: SwitchPortWanted): Readonly<Record<string, WireValue>> {
  return tag === undefined
    ? { tag: setOf([]), vlan_mode: setOf([]), trunks: setOf([]) }
    : { tag, vlan_mode: vlanMode(trunks), trunks: setOf(trunks) }
}

function insertion(name: string, bridge: BridgeRow, wanted: SwitchPortWanted): Operation[] {
  return [
    insert('Interface', 'device', { name, external_ids: mapOf(wanted.interfaceIds) }),
    insert('Port', 'port', {
      name,
      interfaces: namedUuid('device'),
      external_ids: mapOf(wanted.externalIds),
      ...vlanColumns(wanted),
    }),
    mutate('Bridge', bridge.id, [['ports', 'insert', namedUuid('port')]]),
  ]
}

function changes(standing: StandingPort, bridge: BridgeRow, wanted: SwitchPortWanted): Operation[] {
  const { port } = standing
  const moved = standing.bridge !== undefined && standing.bridge.id !== bridge.id
  return [
    update('Port', port.id, vlanColumns(wanted)),
    mutate('Port', port.id, setKeys('external_ids', wanted.externalIds)),
    ...(standing.interface === undefined || Object.keys(wanted.interfaceIds).length === 0
      ? []
      : [mutate('Interface', standing.interface.id, setKeys('external_ids', wanted.interfaceIds))]),
    ...(moved && standing.bridge !== undefined
      ? [
          mutate('Bridge', standing.bridge.id, [['ports', 'delete', uuid(port.id)]]),
          mutate('Bridge', bridge.id, [['ports', 'insert', uuid(port.id)]]),
        ]
      : []),
  ]
}
