import { type IpAddress, linkLocalOfMac, parseAddress, parseCidr } from '@purlin/base'
import { gatewayMac, hostGatewayMac, serviceDevice } from '@purlin/schema'
import type { PortDesired, PortGroupDesired, VswitchDesired } from '../desired.ts'
import { patchPorts } from '../names.ts'
import type { FieldMatch, Flow, FlowAction } from './flow.ts'
import { macValue, vlanMatch } from './match.ts'

const ARP = 0x0806n
const IPV4 = 0x0800n
const IPV6 = 0x86ddn
const UDP = 17n
const ICMPV6 = 58n
const dhcp = { server: 67n, client: 68n } as const
const dhcpv6 = { server: 547n, client: 546n } as const
const icmpv6 = { solicitation: 133n, advertisement: 134n, asks: 135n, answers: 136n } as const
const arp = { asks: 1n, answers: 2n } as const

const is = (field: FieldMatch['field'], value: bigint): FieldMatch => ({ field, value })
const udp4 = [is('dl_type', IPV4), is('nw_proto', UDP)]
const udp6 = [is('dl_type', IPV6), is('nw_proto', UDP)]
const icmp6 = (type: bigint): readonly FieldMatch[] => [
  is('dl_type', IPV6),
  is('nw_proto', ICMPV6),
  is('icmp_type', type),
]

/** What keeps gateways, DHCP and router advertisements of port groups on their own host, where the
 *  switch has other hosts behind `entries`. A gateway has one address and one MAC on every host.
 *  Its machines ask and are answered here alone; on the wire its frames have a MAC of this host, so
 *  that no switch sees one MAC at two places, and what comes back to that is the gateway's again.
 *  Pure. */
export function gatewayFlows(
  switchName: string,
  desired: VswitchDesired,
  entries: readonly string[],
): readonly Flow[] {
  const { host } = desired
  if (host === undefined || entries.length === 0) return []
  return desired.portGroups
    .filter((group) => group.switch === switchName && group.served)
    .flatMap((group) => {
      const served = servedBy(group)
      if (served === undefined) return []
      const wire = macValue(hostGatewayMac(group.name, host))
      const locals = desired.ports.filter((port) => {
        return port.switch === switchName && port.portGroup === group.name
      })
      return [
        // Without a port of its own it says nothing: this stands before the port does.
        flow(305, [is('dl_src', served.mac)], [{ do: 'drop' }], 'closed'),
        ...entries.flatMap((entry) => fromWire(group, served, wire, entry)),
        ...doorsOf(switchName, locals).flatMap((door) => fromMachines(group, served, wire, door)),
        ...fromService(switchName, group, served, wire, locals),
      ]
    })
}

interface Served {
  readonly service: string
  readonly mac: bigint
  readonly gateways: readonly IpAddress[]
  readonly leasesIpv4: boolean
  /** Leases addresses of IPv6 or advertises. */
  readonly speaksIpv6: boolean
}

function servedBy(group: PortGroupDesired): Served | undefined {
  const answered = group.subnets.filter(({ gateway }) => gateway !== undefined)
  if (answered.length === 0) return undefined
  const mac = gatewayMac(group.name)
  const given = answered.filter(({ dhcp: leased, slaac }) => leased !== undefined || slaac === true)
  const families = new Set(given.map(({ cidr }) => parseCidr(cidr)?.family))
  const gateways = answered.flatMap(({ gateway }) => parseAddress(gateway ?? '') ?? [])
  const six = gateways.some(({ family }) => family === 'ipv6')
  return {
    service: serviceDevice(group.name),
    mac: macValue(mac),
    gateways: [...gateways, ...(six ? [linkLocalOfMac(mac)] : [])],
    leasesIpv4: families.has('ipv4'),
    speaksIpv6: families.has('ipv6'),
  }
}

/** Where frames of machines come in: their own ports, and the bridge of direct ones by a cable that
 *  has them tagged. */
interface Door {
  readonly device: string
  readonly isTagged: boolean
}

function doorsOf(switchName: string, locals: readonly PortDesired[]): readonly Door[] {
  const direct = locals.some(({ path }) => path === 'direct')
  return [
    ...locals
      .filter(({ path }) => path !== 'direct')
      .map(({ devices }) => ({ device: devices.outer, isTagged: false })),
    ...(direct ? [{ device: patchPorts('direct', switchName).onSwitch, isTagged: true }] : []),
  ]
}

/** DHCP of either side and advertisements, which do not pass between hosts. */
function conversations({ leasesIpv4, speaksIpv6 }: Served): readonly (readonly FieldMatch[])[] {
  return [
    ...(leasesIpv4
      ? [
          [...udp4, is('tp_dst', dhcp.server)],
          [...udp4, is('tp_dst', dhcp.client)],
        ]
      : []),
    ...(speaksIpv6
      ? [
          [...udp6, is('tp_dst', dhcpv6.server)],
          [...udp6, is('tp_dst', dhcpv6.client)],
          icmp6(icmpv6.solicitation),
          icmp6(icmpv6.advertisement),
        ]
      : []),
  ]
}

function fromWire(
  { vlan }: PortGroupDesired,
  served: Served,
  wire: bigint,
  entry: string,
): readonly Flow[] {
  const at = [{ field: 'in_port', value: entry } as const, vlanMatch(vlan)]
  const toService: readonly FlowAction[] = [
    { do: 'write', field: 'dl_dst', value: served.mac },
    ...untag(vlan !== 0),
    { do: 'output', port: served.service },
  ]
  return [
    // The gateway's own MAC never comes by the wire: whoever sends it is not the gateway.
    flow(340, [...at, is('dl_src', served.mac)], [{ do: 'drop' }], 'not-the-gateway'),
    ...conversations(served).map((match) =>
      flow(330, [...at, ...match], [{ do: 'drop' }], 'stays-here'),
    ),
    flow(320, [...at, is('dl_dst', wire)], toService, 'from-wire'),
  ]
}

function fromMachines(
  { vlan }: PortGroupDesired,
  served: Served,
  wire: bigint,
  { device, isTagged }: Door,
): readonly Flow[] {
  const at = [{ field: 'in_port', value: device } as const, vlanMatch(isTagged ? vlan : 0)]
  const open = untag(isTagged && vlan !== 0)
  const toService: readonly FlowAction[] = [...open, { do: 'output', port: served.service }]
  const requests = conversations(served).filter((match) =>
    match.some(({ field, value }) => {
      if (field === 'tp_dst') return value === dhcp.server || value === dhcpv6.server
      return field === 'icmp_type' && value === icmpv6.solicitation
    }),
  )
  return [
    ...requests.map((match) => flow(340, [...at, ...match], toService, 'asks-here')),
    ...served.gateways.map((gateway) =>
      flow(
        330,
        gateway.family === 'ipv4'
          ? [...at, is('dl_type', ARP), is('arp_op', arp.asks), is('arp_tpa', gateway.value)]
          : [...at, ...icmp6(icmpv6.asks), is('nd_target', gateway.value)],
        toService,
        'asks-here',
      ),
    ),
    flow(320, [...at, is('dl_dst', served.mac)], toService, 'to-gateway'),
    flow(
      320,
      [...at, is('dl_dst', wire)],
      [{ do: 'write', field: 'dl_dst', value: served.mac }, ...toService],
      'to-gateway',
    ),
  ]
}

function fromService(
  switchName: string,
  { vlan }: PortGroupDesired,
  served: Served,
  wire: bigint,
  locals: readonly PortDesired[],
): readonly Flow[] {
  const at = [{ field: 'in_port', value: served.service } as const]
  const tag: readonly FlowAction[] = vlan === 0 ? [] : [{ do: 'tag', vlan }]
  const door = patchPorts('direct', switchName).onSwitch
  const toDirect: readonly FlowAction[] = [...tag, { do: 'output', port: door }]
  const toAll = doorsOf(switchName, locals).flatMap((one): readonly FlowAction[] =>
    one.isTagged ? toDirect : [{ do: 'output', port: one.device }],
  )
  const outward = (...more: readonly FlowAction[]): readonly FlowAction[] => [
    { do: 'write', field: 'dl_src', value: wire },
    ...more,
    { do: 'normal' },
  ]
  const write = (field: FieldMatch['field'], value = wire): FlowAction => ({
    do: 'write',
    field,
    value,
  })
  const ofArp = (operation: bigint): readonly FieldMatch[] => [
    ...at,
    is('dl_type', ARP),
    is('arp_op', operation),
  ]
  return [
    ...locals.map(({ mac, path, devices }) =>
      flow(
        340,
        [...at, is('dl_dst', macValue(mac))],
        path === 'direct' ? toDirect : [{ do: 'output', port: devices.outer }],
        'to-machine',
      ),
    ),
    ...conversations(served).map((match) =>
      flow(330, [...at, ...match], toAll.length === 0 ? [{ do: 'drop' }] : toAll, 'stays-here'),
    ),
    // Asked with the address of nobody, so that no machine takes the wire's MAC for the gateway's.
    flow(320, ofArp(arp.asks), outward(write('arp_sha'), write('arp_spa', 0n)), 'to-wire'),
    flow(320, ofArp(arp.answers), outward(write('arp_sha')), 'to-wire'),
    flow(320, [...at, ...icmp6(icmpv6.asks)], outward(write('nd_sll')), 'to-wire'),
    flow(320, [...at, ...icmp6(icmpv6.answers)], outward(write('nd_tll')), 'to-wire'),
    flow(310, at, outward(), 'to-wire'),
  ]
}

function untag(when: boolean): readonly FlowAction[] {
  return when ? [{ do: 'untag' }] : []
}

function flow(
  priority: number,
  match: readonly FieldMatch[],
  actions: readonly FlowAction[],
  origin: string,
): Flow {
  return { table: 0, priority, match, actions, origin: `gateway/${origin}` }
}
