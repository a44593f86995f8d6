import { PurlinError } from '@purlin/base'
import { PART_MARK, SWITCH_MARK } from '../mark.ts'
import { mutate } from '../ovsdb/operation.ts'
import type { BridgeRow, PortRow, Replica } from '../ovsdb/replica.ts'
import { uuid } from '../ovsdb/value.ts'
import type { SwitchPortWanted } from '../plan/wanted.ts'
import type { ExecuteContext } from './context.ts'
import { limitRemoval } from './limit.ts'
import { portChanges, portInsertion, portNamed, type StandingPort } from './port-rows.ts'
import { nameTaken } from './taken.ts'

const APPLY_DEADLINE_MS = 8_000

/** A port that should stand in a bridge, by the name of its device. */
export interface SwitchPortEntry {
  readonly name: string
  readonly wanted: SwitchPortWanted
}

/** A port that should go, where it has one of the marks. */
export interface SwitchPortExit {
  readonly name: string
  readonly marks: Readonly<Record<string, string>>
}

/** Puts the device into the switch as wanted. Errors: as `ensureSwitchPorts`. */
export async function ensureSwitchPort(
  context: ExecuteContext,
  name: string,
  wanted: SwitchPortWanted,
): Promise<void> {
  await ensureSwitchPorts(context, [{ name, wanted }])
}

/** Puts the devices into their switches as wanted, in one transaction, and returns when
 *  ovs-vswitchd has them open. Ports that stand are changed in place, so that their traffic goes
 *  on. Errors: PUR_SWITCH_NAME_TAKEN, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function ensureSwitchPorts(
  context: ExecuteContext,
  entries: readonly SwitchPortEntry[],
): Promise<void> {
  if (entries.length === 0) return
  const before = await context.database.replica(context.signal)
  const found = entries.map((entry, index) => {
    const what = whatOf(entry)
    const bridge = ourBridge(what, before, entry.wanted.bridge)
    const standing = portNamed(before, entry.name)
    if (standing !== undefined) refuseForeignPort(what, standing, entry.wanted)
    const unopened = standing !== undefined && isUnopened(standing, entry.wanted)
    return { ...entry, label: `p${index}`, bridge, standing, unopened }
  })
  // ovs-vswitchd goes by the name and would keep a device it failed on; it must see it gone first.
  const failed = found.filter(({ unopened }) => unopened)
  await dropSwitchPorts(
    context,
    failed.map(({ name, wanted }) => ({ name, marks: wanted.externalIds })),
  )
  const operations = found.flatMap(({ label, name, bridge, wanted, standing, unopened }) =>
    standing === undefined || unopened
      ? portInsertion(label, name, bridge, wanted, before)
      : portChanges(label, standing, bridge, wanted, before),
  )
  const what = many(entries.map(whatOf))
  const applied = await context.database.apply(what, operations, APPLY_DEADLINE_MS, context.signal)
  for (const entry of entries) assertOpen(entry, applied)
}

/** Takes the device out of its switch if it is there with one of the marks. Errors: as
 *  `dropSwitchPorts`. */
export async function dropSwitchPort(
  context: ExecuteContext,
  name: string,
  marks: Readonly<Record<string, string>>,
): Promise<void> {
  await dropSwitchPorts(context, [{ name, marks }])
}

/** Takes the devices out of their switches, in one transaction; a port that has not the mark stays.
 *  Errors: PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function dropSwitchPorts(
  context: ExecuteContext,
  exits: readonly SwitchPortExit[],
): Promise<void> {
  if (exits.length === 0) return
  const replica = await context.database.replica(context.signal)
  const going = exits.flatMap(({ name, marks }) => {
    const standing = portNamed(replica, name)
    if (standing?.bridge === undefined || !bearsMark(standing.port, marks)) return []
    return [{ name, port: standing.port, bridge: standing.bridge }]
  })
  if (going.length === 0) return
  await context.database.apply(
    many(going.map(({ name, bridge }) => `take ${name} out of switch ${bridge.name}`)),
    going.flatMap(({ port, bridge }) => [
      mutate('Bridge', bridge.id, [['ports', 'delete', uuid(port.id)]]),
      ...limitRemoval(port, replica),
    ]),
    APPLY_DEADLINE_MS,
    context.signal,
  )
}

function whatOf({ name, wanted }: SwitchPortEntry): string {
  return `put ${name} into switch ${wanted.bridge}`
}

/** Names a group by its first member. */
function many([first = '', ...others]: readonly string[]): string {
  return others.length === 0 ? first : `${first} and ${others.length} others`
}

function isUnopened({ interfaces }: StandingPort, { mayWait }: SwitchPortWanted): boolean {
  return (
    mayWait === undefined &&
    interfaces.some(({ ofport, error }) => ofport === -1 || error !== undefined)
  )
}

function assertOpen(entry: SwitchPortEntry, applied: Replica): void {
  const made = portNamed(applied, entry.name)
  const opened = made?.interfaces.some(({ ofport, error }) => {
    return ofport !== undefined && ofport > 0 && error === undefined
  })
  if (made !== undefined && (opened === true || entry.wanted.mayWait !== undefined)) return
  const reason = made?.interfaces.find(({ error }) => error !== undefined)?.error
  throw new PurlinError('PUR_OVS_REFUSED', {
    message: `${whatOf(entry)}: ovs-vswitchd could not open the device: ${reason ?? 'no reason given'}`,
    context: { device: entry.name },
  })
}

function ourBridge(what: string, replica: Replica, name: string): BridgeRow {
  const bridge = [...replica.bridges.values()].find((row) => row.name === name)
  if (bridge === undefined) {
    throw new PurlinError('PUR_OVS_REFUSED', {
      message: `${what}: there is no bridge ${name} yet; it is made by the step of the switch`,
    })
  }
  const marked = bridge.externalIds[SWITCH_MARK] === name || PART_MARK in bridge.externalIds
  if (!marked) {
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
