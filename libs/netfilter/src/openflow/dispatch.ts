import type { FilteredNic } from '../policy/desired.ts'
import {
  drop,
  type FieldMatch,
  type Flow,
  type FlowAction,
  go,
  note,
  noted,
  type SwitchPortName,
  tables,
} from './flow.ts'
import { allowedMacs, from } from './guard.ts'
import { macValue } from './match.ts'

const TAGGED: FieldMatch = { field: 'vlan_vid', value: 0x1000n, mask: 0x1000n }
const MULTICAST: FieldMatch = {
  field: 'dl_dst',
  value: 0x0100_0000_0000n,
  mask: 0x0100_0000_0000n,
}

/** A NIC plugged straight into the switch. */
export interface PluggedPort {
  readonly nic: FilteredNic
  readonly port: SwitchPortName
  /** The network it is in, 0: untagged. */
  readonly vlan: number
  /** The numbers of its lists; 0 where nothing is filtered. */
  readonly lists: { readonly inbound: number; readonly outbound: number }
}

/** A port of the switch behind which no NIC of this host is: an uplink, or a service. */
export interface OutsidePort {
  readonly port: SwitchPortName
  /** The one network it is in, without tags. Absent: frames of every network, with tags. */
  readonly vlan?: number
  /** Where all MACs behind it are known, frames for others do not go there. */
  readonly macs?: readonly string[]
}

/** From which port into which network, and to the guards of the NIC behind it. Inside, frames have
 *  no tags. A port that is not named is closed. Pure. */
export function sourceFlows(
  plugged: readonly PluggedPort[],
  outside: readonly OutsidePort[],
): readonly Flow[] {
  const at = (priority: number, match: Flow['match'], actions: Flow['actions']): Flow => ({
    table: tables.source,
    priority,
    match,
    actions,
    origin: 'source',
  })
  return [
    ...plugged.flatMap(({ nic, port, vlan, lists }) => [
      { ...at(20, [from(port), TAGGED], drop), origin: 'guard/tagged' },
      at(
        10,
        [from(port)],
        [
          note('network', vlan),
          note('zone', nic.zone),
          note('list', lists.outbound),
          go(tables.guardMac),
        ],
      ),
    ]),
    ...outside.flatMap(({ port, vlan }) =>
      vlan === undefined
        ? [
            at(
              20,
              [from(port), TAGGED],
              [{ do: 'set-network-from-tag' }, { do: 'untag' }, go(tables.destination)],
            ),
            at(10, [from(port)], [note('network', 0), go(tables.destination)]),
          ]
        : [
            { ...at(20, [from(port), TAGGED], drop), origin: 'guard/tagged' },
            at(10, [from(port)], [note('network', vlan), go(tables.destination)]),
          ],
    ),
    { ...at(0, [], drop), origin: 'closed-port' },
  ]
}

/** Who gets a frame: by its network and MAC one NIC, or everybody it may be for, each NIC through
 *  its own inbound list. Nothing is learned and nothing leaves by a way without flows. Pure. */
export function destinationFlows(
  plugged: readonly PluggedPort[],
  outside: readonly OutsidePort[],
): readonly Flow[] {
  const networks = new Set([
    ...plugged.map(({ vlan }) => vlan),
    ...outside.flatMap(({ vlan }) => (vlan === undefined ? [] : [vlan])),
  ])
  const flows = [...networks].flatMap((vlan) => {
    const here = plugged.filter((one) => one.vlan === vlan)
    const there = outside.filter((one) => one.vlan === undefined || one.vlan === vlan)
    return networkFlows(vlan, here, there)
  })
  return [
    ...flows,
    { table: tables.destination, priority: 0, match: [], actions: drop, origin: 'no-network' },
  ]
}

/** Out of the switch to the NIC whose inbound list was asked. Pure. */
export function deliverFlows(plugged: readonly PluggedPort[]): readonly Flow[] {
  return plugged.flatMap(({ nic, port }): Flow[] => [
    {
      table: tables.deliver,
      priority: 10,
      match: [noted('zone', nic.zone)],
      actions: [{ do: 'output', port }],
      origin: 'deliver',
    },
    {
      // Its own multicast does not come back to it, and takes up no connection on the way.
      table: tables.inbound.entry,
      priority: 100,
      match: [from(port), noted('zone', nic.zone)],
      actions: drop,
      origin: 'inbound/own',
    },
  ])
}

function networkFlows(
  vlan: number,
  here: readonly PluggedPort[],
  there: readonly OutsidePort[],
): readonly Flow[] {
  const at = (priority: number, match: readonly FieldMatch[], actions: Flow['actions']): Flow => ({
    table: tables.destination,
    priority,
    match: [noted('network', vlan), ...match],
    actions: actions.length === 0 ? drop : actions,
    origin: 'destination',
  })
  const to = (mac: string): FieldMatch => ({ field: 'dl_dst', value: macValue(mac) })
  const own = new Set(here.map(({ nic }) => nic.mac))
  const shared = new Set(here.flatMap(({ nic }) => allowedMacs(nic)).filter((mac) => !own.has(mac)))
  const anyMac = here.filter(({ nic }) => !nic.guards.mac)
  const unknown = there.filter(({ macs }) => macs === undefined)
  const known = there.flatMap((one) => (one.macs ?? []).map((mac) => ({ mac, one })))
  return [
    at(30, [MULTICAST], [...copies(here), ...outputs(there, vlan)]),
    ...here.map((one) => at(20, [to(one.nic.mac)], towards(one))),
    ...known
      .filter(({ mac }) => !own.has(mac))
      .map(({ mac, one }) => at(20, [to(mac)], outputs([one], vlan))),
    // Which of the NICs has a shared MAC at the moment is theirs to say, so each is offered the
    // frame.
    ...[...shared].map((mac) => {
      const holders = here.filter(({ nic }) => !nic.guards.mac || allowedMacs(nic).includes(mac))
      return at(15, [to(mac)], [...copies(holders), ...outputs(unknown, vlan)])
    }),
    at(10, [], [...copies(anyMac), ...outputs(unknown, vlan)]),
  ]
}

/** On to the inbound list of a NIC. */
function towards({ nic, lists }: PluggedPort): readonly FlowAction[] {
  return [
    note('zone', nic.zone),
    note('list', lists.inbound),
    note('untracked', 0),
    go(tables.inbound.entry),
  ]
}

function copies(plugged: readonly PluggedPort[]): readonly FlowAction[] {
  return plugged.map((one) => ({ do: 'copy', actions: towards(one) }))
}

/** Out by ports of the outside; those without tags come first, because a tag stays on the frame. */
function outputs(ports: readonly OutsidePort[], vlan: number): readonly FlowAction[] {
  if (ports.length === 0) return []
  const output = ({ port }: OutsidePort): FlowAction => ({ do: 'output', port })
  const plain = ports.filter((one) => one.vlan !== undefined || vlan === 0)
  const tagged = ports.filter((one) => one.vlan === undefined && vlan !== 0)
  return [
    ...(plain.length > 0 ? plain.map(output) : []),
    ...(tagged.length > 0 ? [{ do: 'tag', vlan } as const, ...tagged.map(output)] : []),
  ]
}
