import { PurlinError } from '@purlin/base'
import type { SwitchDesired } from '../desired.ts'
import { runBatch } from '../links/batch.ts'
import { readLinks } from '../links/link.ts'
import { silenceIpv6 } from '../links/silence.ts'
import { PORT_GROUP_MARK, PORT_MARK, SWITCH_MARK, UPLINK_MARK } from '../mark.ts'
import { bridgesOf, switchPortsOf } from '../observe.ts'
import { insert, mutate, type Operation, setKeys, update } from '../ovsdb/operation.ts'
import type { BridgeRow, Replica } from '../ovsdb/replica.ts'
import { mapOf, namedUuid, uuid } from '../ovsdb/value.ts'
import { strayUplinks, switchDifferences, uplinkWanted } from '../plan/switch.ts'
import { type ExecuteContext, readBack } from './context.ts'
import { dropSwitchPort, ensureSwitchPort } from './switch-port.ts'
import { nameTaken } from './taken.ts'

const APPLY_DEADLINE_MS = 10_000

/** Makes or mends a switch: its bridge and its uplinks. Reads back. Errors: PUR_SWITCH_NAME_TAKEN,
 *  PUR_LINK_FAILED, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function makeSwitch(
  context: ExecuteContext,
  wanted: SwitchDesired,
  datapathType: 'system' | 'netdev',
): Promise<void> {
  const what = `make switch ${wanted.name}`
  const names = [wanted.name, ...wanted.uplinks]
  const links = await readLinks(context.run, names, context.signal)
  const before = await context.database.replica(context.signal)
  const standing = bridgeNamed(before, wanted.name)
  if (standing !== undefined && standing.externalIds[SWITCH_MARK] !== wanted.name) {
    throw nameTaken(
      what,
      `Open vSwitch has a bridge ${wanted.name} without Purlin's mark`,
      `remove it (ovs-vsctl del-br ${wanted.name}) or name the switch otherwise`,
    )
  }
  if (standing === undefined && links.has(wanted.name))
    await refuseForeignDevice(context, what, wanted.name)
  const operations =
    standing === undefined
      ? bridgeInsertion(before, wanted, datapathType)
      : bridgeChanges(before, standing, wanted, datapathType)
  const applied = await context.database.apply(what, operations, APPLY_DEADLINE_MS, context.signal)
  refuseBrokenBridge(what, applied, wanted.name, datapathType)
  await silenceIpv6([wanted.name])

  const observed = await readBack(context, names)
  for (const uplink of strayUplinks(wanted, observed)) {
    await dropSwitchPort(context, uplink, { [UPLINK_MARK]: wanted.name })
  }
  for (const uplink of wanted.uplinks) {
    const found = links.get(uplink)
    if (found === undefined) {
      throw new PurlinError('PUR_LINK_FAILED', {
        message: `${what}: its uplink ${uplink} is no link of this host; correct spec.uplinks or plug the card in`,
      })
    }
    if (found.master !== undefined && found.master !== 'ovs-system') {
      throw nameTaken(
        what,
        `its uplink ${uplink} is in ${found.master}`,
        `free it: ip link set ${uplink} nomaster`,
      )
    }
    await ensureSwitchPort(context, uplink, uplinkWanted(wanted.name))
    await runBatch(context.run, what, [`link set dev ${uplink} up`], { signal: context.signal })
  }
  const left = switchDifferences(wanted, datapathType, await readBack(context, names))
  if (left.length > 0) {
    throw new PurlinError('PUR_OVS_REFUSED', {
      message: `${what}: done, but read back: ${left.join(', ')}`,
    })
  }
}

/** Removes a switch that carries nothing any more but its own uplinks. Errors: PUR_SWITCH_IN_USE
 *  when ports of others are on it, PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
export async function removeSwitch(context: ExecuteContext, name: string): Promise<void> {
  const replica = await context.database.replica(context.signal)
  const bridge = bridgeNamed(replica, name)
  if (bridge?.externalIds[SWITCH_MARK] === undefined || replica.root === undefined) return
  const left = [...switchPortsOf(replica).values()]
    .filter((port) => port.bridge === name && port.externalIds[UPLINK_MARK] === undefined)
    .map((port) => {
      const ours = port.externalIds[PORT_MARK] ?? port.externalIds[PORT_GROUP_MARK]
      return ours === undefined ? port.name : `${port.name} (${ours})`
    })
  if (left.length > 0) {
    throw new PurlinError('PUR_SWITCH_IN_USE', {
      message: `remove switch ${name}: it still carries ${left.join(', ')}; take them out first: ovs-vsctl del-port ${name} PORT`,
      context: { ports: left },
    })
  }
  await context.database.apply(
    `remove switch ${name}`,
    [mutate('Open_vSwitch', replica.root.id, [['bridges', 'delete', uuid(bridge.id)]])],
    APPLY_DEADLINE_MS,
    context.signal,
  )
}

/** A link of the switch's name may be what a bridge that was just deleted leaves until
 *  ovs-vswitchd has looked; only one that stays after that is somebody's. Errors:
 *  PUR_SWITCH_NAME_TAKEN. */
async function refuseForeignDevice(
  context: ExecuteContext,
  what: string,
  name: string,
): Promise<void> {
  await context.database.apply(what, [], APPLY_DEADLINE_MS, context.signal)
  const link = (await readLinks(context.run, [name], context.signal)).get(name)
  if (link === undefined) return
  throw nameTaken(
    what,
    `the host has a link ${name} (${link.kind ?? 'a device'}) that is no bridge of Open vSwitch`,
    `rename or remove it (ip link delete ${name}) or name the switch otherwise`,
  )
}

function bridgeNamed(replica: Replica, name: string): BridgeRow | undefined {
  return [...replica.bridges.values()].find((row) => row.name === name)
}

function bridgeInsertion(
  replica: Replica,
  wanted: SwitchDesired,
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
      ports: namedUuid('port'),
      datapath_type: datapathType,
      fail_mode: 'standalone',
      external_ids: mapOf({ [SWITCH_MARK]: wanted.name }),
    }),
    ...(replica.root === undefined
      ? []
      : [mutate('Open_vSwitch', replica.root.id, [['bridges', 'insert', namedUuid('bridge')]])]),
  ]
}

function bridgeChanges(
  replica: Replica,
  bridge: BridgeRow,
  wanted: SwitchDesired,
  datapathType: string,
): Operation[] {
  const local = [...replica.interfaces.values()].find((row) => row.name === wanted.name)
  return [
    update('Bridge', bridge.id, { datapath_type: datapathType, fail_mode: 'standalone' }),
    mutate('Bridge', bridge.id, setKeys('external_ids', { [SWITCH_MARK]: wanted.name })),
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
