import { PurlinError } from '@purlin/base'
import type { SwitchDesired } from '../desired.ts'
import { runBatch } from '../links/batch.ts'
import { readLinks } from '../links/link.ts'
import { silenceIpv6 } from '../links/silence.ts'
import { bridgesOf } from '../observe.ts'
import { insert, mutate, type Operation, setKeys, update } from '../ovsdb/operation.ts'
import type { BridgeRow, Replica } from '../ovsdb/replica.ts'
import { mapOf, namedUuid, setOf, uuid } from '../ovsdb/value.ts'
import { bridgesWanted, uplinkDevices } from '../plan/bridges.ts'
import { strayParts, strayPorts, switchDifferences } from '../plan/switch.ts'
import type { BridgeWanted } from '../plan/wanted.ts'
import { type ExecuteContext, readBack } from './context.ts'
import { exportFlows } from './flow-export.ts'
import { dropSwitchPort, ensureSwitchPort } from './switch-port.ts'
import { nameTaken } from './taken.ts'

const APPLY_DEADLINE_MS = 10_000
const SECOND_LOOKS = 3

/** Makes or mends a switch: its bridges, cables and tunnels between them, its uplinks. Reads back.
 *  Errors: PUR_SWITCH_NAME_TAKEN, PUR_LINK_FAILED, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function makeSwitch(
  context: ExecuteContext,
  wanted: SwitchDesired,
  datapathType: 'system' | 'netdev',
  direct = false,
): Promise<void> {
  const what = `make switch ${wanted.name}`
  const bridges = bridgesWanted(wanted, direct)
  const devices = uplinkDevices(wanted)
  const names = [...bridges.map(({ name }) => name), ...devices]
  for (const bridge of bridges) await makeBridge(context, what, bridge, datapathType)

  const observed = await readBack(context, names)
  for (const { port, marks } of strayPorts(wanted, bridges, observed)) {
    await dropSwitchPort(context, port, marks)
  }
  await removeBridges(context, what, strayParts(wanted, bridges, observed))
  await prepareUplinks(context, what, devices)
  for (const { name, ports, address } of bridges) {
    for (const [port, portWanted] of ports) await ensureSwitchPort(context, port, portWanted)
    if (address === undefined) continue
    const commands = [`address replace ${address} dev ${name}`, `link set dev ${name} up`]
    await runBatch(context.run, what, commands, { signal: context.signal })
  }
  await exportFlows(context, wanted)
  const look = async (): Promise<readonly string[]> =>
    switchDifferences(wanted, datapathType, await readBack(context, names), direct)
  let left = await look()
  // Of a cable between bridges the end that was made first says that it has no other end, until
  // ovs-vswitchd has looked at it once more.
  for (let round = 0; left.length > 0 && round < SECOND_LOOKS; round++) {
    await context.database.apply(what, [], APPLY_DEADLINE_MS, context.signal)
    left = await look()
  }
  if (left.length > 0) {
    throw new PurlinError('PUR_OVS_REFUSED', {
      message: `${what}: done, but read back: ${left.join(', ')}`,
    })
  }
}

/** Removes the bridges, with what is of ours in them. Errors: PUR_OVS_REFUSED,
 *  PUR_OVS_UNREACHABLE. */
export async function removeBridges(
  context: ExecuteContext,
  what: string,
  names: readonly string[],
): Promise<void> {
  const replica = await context.database.replica(context.signal)
  const { root } = replica
  const rows = names.flatMap((name) => bridgeNamed(replica, name) ?? [])
  if (root === undefined || rows.length === 0) return
  const removals = rows.map(({ id }) =>
    mutate('Open_vSwitch', root.id, [['bridges', 'delete', uuid(id)]]),
  )
  await context.database.apply(what, removals, APPLY_DEADLINE_MS, context.signal)
}

/** The bridge of that name. */
export function bridgeNamed(replica: Replica, name: string): BridgeRow | undefined {
  return [...replica.bridges.values()].find((row) => row.name === name)
}

async function makeBridge(
  context: ExecuteContext,
  what: string,
  wanted: BridgeWanted,
  datapathType: 'system' | 'netdev',
): Promise<void> {
  const before = await context.database.replica(context.signal)
  const standing = bridgeNamed(before, wanted.name)
  const marked = Object.entries(wanted.marks).every(
    ([key, text]) => standing?.externalIds[key] === text,
  )
  if (standing !== undefined && !marked) {
    throw nameTaken(
      what,
      `Open vSwitch has a bridge ${wanted.name} without Purlin's mark`,
      `remove it (ovs-vsctl del-br ${wanted.name}) or name the switch otherwise`,
    )
  }
  if (standing === undefined) await refuseForeignDevice(context, what, wanted.name)
  const operations =
    standing === undefined
      ? bridgeInsertion(before, wanted, datapathType)
      : bridgeChanges(before, standing, wanted, datapathType)
  const applied = await context.database.apply(what, operations, APPLY_DEADLINE_MS, context.signal)
  refuseBrokenBridge(what, applied, wanted.name, datapathType)
  if (wanted.address === undefined) await silenceIpv6([wanted.name])
}

/** NICs of uplinks must be there, free and up. */
async function prepareUplinks(
  context: ExecuteContext,
  what: string,
  devices: readonly string[],
): Promise<void> {
  const links = await readLinks(context.run, devices, context.signal)
  for (const device of devices) {
    const found = links.get(device)
    if (found === undefined) {
      throw new PurlinError('PUR_LINK_FAILED', {
        message: `${what}: its uplink ${device} is no link of this host; correct spec.uplinks or plug the card in`,
      })
    }
    if (found.master !== undefined && found.master !== 'ovs-system') {
      throw nameTaken(
        what,
        `its uplink ${device} is in ${found.master}`,
        `free it: ip link set ${device} nomaster`,
      )
    }
  }
  const commands = devices.map((device) => `link set dev ${device} up`)
  await runBatch(context.run, what, commands, { signal: context.signal })
}

/** A link of the switch's name may be what a bridge that was just deleted leaves until
 *  ovs-vswitchd has looked; only one that stays after that is somebody's. Errors:
 *  PUR_SWITCH_NAME_TAKEN. */
async function refuseForeignDevice(
  context: ExecuteContext,
  what: string,
  name: string,
): Promise<void> {
  if (!(await readLinks(context.run, [name], context.signal)).has(name)) return
  await context.database.apply(what, [], APPLY_DEADLINE_MS, context.signal)
  const link = (await readLinks(context.run, [name], context.signal)).get(name)
  if (link === undefined) return
  throw nameTaken(
    what,
    `the host has a link ${name} (${link.kind ?? 'a device'}) that is no bridge of Open vSwitch`,
    `rename or remove it (ip link delete ${name}) or name the switch otherwise`,
  )
}

function bridgeInsertion(
  replica: Replica,
  wanted: BridgeWanted,
  datapathType: string,
): Operation[] {
  return [
    insert('Interface', 'device', {
      name: wanted.name,
      type: 'internal',
      mtu_request: wanted.mtu,
    }),
    insert('Port', 'port', { name: wanted.name, interfaces: namedUuid('device') }),
    insert('Bridge', 'bridge', {
      name: wanted.name,
      ports: setOf([namedUuid('port')]),
      datapath_type: datapathType,
      fail_mode: wanted.failMode,
      external_ids: mapOf(wanted.marks),
    }),
    ...(replica.root === undefined
      ? []
      : [mutate('Open_vSwitch', replica.root.id, [['bridges', 'insert', namedUuid('bridge')]])]),
  ]
}

function bridgeChanges(
  replica: Replica,
  bridge: BridgeRow,
  wanted: BridgeWanted,
  datapathType: string,
): Operation[] {
  const local = [...replica.interfaces.values()].find((row) => row.name === wanted.name)
  return [
    update('Bridge', bridge.id, { datapath_type: datapathType, fail_mode: wanted.failMode }),
    mutate('Bridge', bridge.id, setKeys('external_ids', wanted.marks)),
    ...(local === undefined ? [] : [update('Interface', local.id, { mtu_request: wanted.mtu })]),
  ]
}

function refuseBrokenBridge(
  what: string,
  replica: Replica,
  name: string,
  datapathType: string,
): void {
  const local = [...replica.interfaces.values()].find((row) => row.name === name)
  const opened = local?.ofport !== undefined && local.ofport > 0 && local.error === undefined
  if (opened && bridgesOf(replica).get(name)?.datapathType === datapathType) return
  throw new PurlinError('PUR_OVS_REFUSED', {
    message: `${what}: ovs-vswitchd could not make the bridge with datapath ${datapathType}: ${local?.error ?? 'no reason given, see its log'}; without the kernel module openvswitch only datapath netdev works`,
    context: { datapathType },
  })
}
