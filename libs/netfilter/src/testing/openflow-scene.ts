import { linkLocalOfMac, parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import { flatten } from '../flatten.ts'
import { interpret } from '../interpret.ts'
import type { Delivery, Frame } from '../openflow/evaluate.ts'
import type { FieldName } from '../openflow/flow.ts'
import type { OpenflowSwitch } from '../openflow/index.ts'
import { conditionsText } from '../openflow/render.ts'
import { hasPorts, type Packet } from '../packet.ts'
import type { FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import type { Generator } from './generator.ts'
import { type Boundaries, boundariesOf, randomPacket } from './random-packet.ts'
import { randomDesired } from './random-policy.ts'

const UPLINK = 1
const SERVICE = 2
const FIRST_NIC = 10
const NETWORKS = [100, 100, 100, 200]
const GATEWAY = '02:00:00:00:00:01'
const STRANGER = '52:54:00:00:00:77'
const VIRTUAL = '00:00:5e:00:01:0a'
const BROADCAST = 'ff:ff:ff:ff:ff:ff'
const LISTENERS = '33:33:00:00:00:16'
/** ICMPv6 that goes without connection tracking. */
const UNTRACKED = [130, 131, 132, 133, 134, 135, 136, 143]
const NEIGHBOUR_ADVERTISEMENT = 136

/** A switch with four NICs in two networks, an uplink and a service. */
export interface Scene {
  readonly desired: NetfilterDesired
  readonly place: OpenflowSwitch
  readonly boundaries: Boundaries
}

/** One frame of a scene. */
export interface Send {
  /** OpenFlow number of the port it comes in by. */
  readonly port: number
  readonly vlan: number | undefined
  readonly sourceMac: string
  readonly destinationMac: string
  readonly state: 'new' | 'established' | 'related'
  /** Of TCP: whether it asks for a connection. */
  readonly syn: boolean
  readonly body: { readonly packet: Packet; readonly target: bigint } | { readonly arp: Arp }
}

interface Arp {
  readonly sender: bigint
  readonly senderMac: string
}

/** A scene whose NICs have some guards off, some switches off and some addresses allowed. */
export function randomScene(random: Generator): Scene {
  const made = randomDesired(random)
  const on = (): boolean => random.chance(70)
  const nics = made.nics.map(
    (nic): FilteredNic => ({
      ...nic,
      filtered: nic.groups.length > 0 || random.chance(20),
      guards: {
        mac: on(),
        ipv4Source: on(),
        ipv6Source: on(),
        arp: on(),
        neighbourAdvertisement: on(),
        router: on(),
        dhcpServer: on(),
      },
      alwaysOpen: {
        dhcpRequests: on(),
        dhcpAnswers: on(),
        routerAdvertisements: on(),
        neighbourDiscovery: on(),
        icmpErrors: on(),
      },
      allowedAddresses: random.chance(30) ? ['10.9.0.16/28', 'fd09::10/125', VIRTUAL] : [],
      servers: [
        { mac: GATEWAY, address: '10.9.0.1' },
        { mac: GATEWAY, address: 'fd09::1' },
      ],
    }),
  )
  const plugs = nics.map(
    (nic, index) => [nic.port, { port: FIRST_NIC + index, vlan: NETWORKS[index] ?? 0 }] as const,
  )
  const outside = [{ port: UPLINK }, { port: SERVICE, vlan: 100, macs: [GATEWAY] }]
  const desired = { ...made, nics }
  const place = { plugs: new Map(plugs), outside }
  return { desired, place, boundaries: boundariesOf(desired) }
}

/** A frame of any port of the scene to anybody. */
export function randomSend(random: Generator, { desired, boundaries }: Scene): Send {
  const index = random.below(desired.nics.length + 2)
  const nic = desired.nics[index]
  const port = nic !== undefined ? FIRST_NIC + index : index === desired.nics.length ? 1 : 2
  const vlan = port === UPLINK ? random.pick([100, 200, 300]) : undefined
  const macs = desired.nics.map(({ mac }) => mac)
  const destinationMac = random.pick([
    ...macs,
    ...macs,
    GATEWAY,
    STRANGER,
    VIRTUAL,
    BROADCAST,
    LISTENERS,
  ])
  const sourceMac = random.chance(90) && nic ? nic.mac : random.pick([STRANGER, VIRTUAL])
  const head = { port, vlan, sourceMac, destinationMac }
  if (random.chance(5)) {
    const sender = random.pick([0n, ...ownValues(nic, 'ipv4'), 0x0a090007n, 0x0a090011n])
    const arp = { sender, senderMac: random.chance(80) ? sourceMac : STRANGER }
    return { ...head, state: 'new', syn: false, body: { arp } }
  }
  const packet = fitting(random, whole(randomPacket(random, boundaries)), nic)
  const isIcmp = packet.icmp !== undefined
  const isUntracked = packet.family === 'ipv6' && UNTRACKED.includes(packet.icmp?.type ?? -1)
  const state = random.pick(['new', 'new', 'new', 'established', 'related'] as const)
  const target = random.pick([...ownValues(nic, 'ipv6'), 0xfd09_0000n << 96n])
  return {
    ...head,
    syn: random.chance(95),
    state: isUntracked || (state === 'related' && !isIcmp) ? 'new' : state,
    body: { packet, target },
  }
}

/** The packet with everything that its protocol has. */
function whole(made: Packet): Packet {
  if (hasPorts(made.protocol)) {
    return { ...made, sourcePort: made.sourcePort ?? 9, destinationPort: made.destinationPort ?? 9 }
  }
  const isIcmp = made.protocol === (made.family === 'ipv4' ? 1 : 58)
  return isIcmp ? { ...made, icmp: made.icmp ?? { type: 8, code: 0 } } : made
}

/** Half of the packets come from an address that the NIC has; some ask for an address or answer. */
function fitting(random: Generator, made: Packet, nic: FilteredNic | undefined): Packet {
  const source = random.chance(50)
    ? random.pick([0n, ...ownValues(nic, made.family), made.source])
    : made.source
  const packet = { ...made, source }
  if (packet.protocol === 17 && random.chance(30)) {
    const ports = random.pick([
      [68, 67],
      [67, 68],
      [546, 547],
      [547, 546],
    ] as const)
    return { ...packet, sourcePort: ports[0], destinationPort: ports[1] }
  }
  if (packet.icmp !== undefined && random.chance(30)) {
    return { ...packet, icmp: { type: random.pick([...UNTRACKED, 137, 5, 9]), code: 0 } }
  }
  return packet
}

/** The frame as flows see it. */
export function frameOf(send: Send): Frame {
  const frame: Partial<Record<FieldName, bigint>> = {
    in_port: BigInt(send.port),
    vlan_vid: send.vlan === undefined ? 0n : 0x1000n | BigInt(send.vlan),
    dl_src: mac(send.sourceMac),
    dl_dst: mac(send.destinationMac),
  }
  if ('arp' in send.body) {
    const { sender, senderMac } = send.body.arp
    return { ...frame, dl_type: 0x806n, arp_spa: sender, arp_sha: mac(senderMac) }
  }
  const { packet, target } = send.body
  const [source, destination, type] =
    packet.family === 'ipv4'
      ? (['nw_src', 'nw_dst', 0x800n] as const)
      : (['ipv6_src', 'ipv6_dst', 0x86ddn] as const)
  frame.dl_type = type
  frame[source] = packet.source
  frame[destination] = packet.destination
  frame.nw_proto = BigInt(packet.protocol)
  if (hasPorts(packet.protocol)) {
    frame.tp_src = BigInt(packet.sourcePort ?? 0)
    frame.tp_dst = BigInt(packet.destinationPort ?? 0)
  }
  if (packet.protocol === 6) frame.tcp_flags = send.state === 'new' && send.syn ? 2n : 0x10n
  if (packet.icmp !== undefined) {
    frame.icmp_type = BigInt(packet.icmp.type)
    frame.icmp_code = BigInt(packet.icmp.code)
    const tells = packet.family === 'ipv6' && packet.icmp.type === NEIGHBOUR_ADVERTISEMENT
    if (tells) frame.nd_target = target
  }
  return frame
}

/** The frame as `ofproto/trace` takes it. */
export function traceText(send: Send): string {
  const frame = Object.entries(frameOf(send)) as [FieldName, bigint][]
  return conditionsText(frame.map(([field, value]) => ({ field, value })))
}

/** Who must get the frame, by the interpreter and the plain meaning of guards and networks. */
export function deliveriesOf({ desired, place }: Scene, send: Send): readonly Delivery[] {
  const port = (nic: FilteredNic): number => Number(place.plugs.get(nic.port)?.port)
  const networkOf = (nic: FilteredNic): number => place.plugs.get(nic.port)?.vlan ?? 0
  const sender = desired.nics.find((nic) => port(nic) === send.port)
  const network = sender ? networkOf(sender) : (send.vlan ?? 100)
  if (sender && !(passesGuards(sender, send) && passesList(desired, sender, 'outbound', send))) {
    return []
  }
  const { destinationMac } = send
  const isMulticast = (mac(destinationMac) & 0x0100_0000_0000n) !== 0n
  const here = desired.nics.filter((nic) => networkOf(nic) === network)
  const owner = here.find((nic) => nic.mac === destinationMac)
  const isService = network === 100 && destinationMac === GATEWAY
  const takes = (nic: FilteredNic): boolean => {
    if (isMulticast) return true
    if (owner !== undefined) return nic === owner
    if (isService) return false
    return !nic.guards.mac || nic.allowedAddresses.includes(destinationMac)
  }
  const inside = here
    .filter((nic) => nic !== sender && takes(nic) && passesList(desired, nic, 'inbound', send))
    .map((nic) => ({ port: port(nic), vlan: undefined }))
  const outside: Delivery[] = []
  if (network !== 300 && owner === undefined) {
    if (network === 100 && (isMulticast || isService))
      outside.push({ port: SERVICE, vlan: undefined })
    if (!isService) outside.push({ port: UPLINK, vlan: network })
  }
  return [...inside, ...outside.filter((one) => one.port !== send.port)]
}

/** Deliveries as text that can be compared. */
export function deliveryTexts(deliveries: readonly Delivery[]): readonly string[] {
  return deliveries
    .map(({ port, vlan }) => (vlan === undefined ? `${port}` : `${port}@${vlan}`))
    .toSorted()
}

function passesList(
  desired: NetfilterDesired,
  nic: FilteredNic,
  direction: 'inbound' | 'outbound',
  { body, state, syn }: Send,
): boolean {
  if ('arp' in body) return true
  if (nic.filtered && body.packet.protocol === 6 && state === 'new' && !syn) return false
  return interpret(flatten(nic, direction, desired), { ...body.packet, state }) === 'allow'
}

function passesGuards(nic: FilteredNic, { sourceMac, body }: Send): boolean {
  const { guards } = nic
  const macs = [nic.mac, ...nic.allowedAddresses.filter((text) => text === VIRTUAL)]
  if (guards.mac && !macs.includes(sourceMac)) return false
  if ('arp' in body) {
    const { sender, senderMac } = body.arp
    return !guards.arp || (macs.includes(senderMac) && (sender === 0n || has(nic, 'ipv4', sender)))
  }
  const { packet, target } = body
  const { family, source, sourcePort, destinationPort } = packet
  const isUdp = packet.protocol === 17
  const [client, server] = family === 'ipv4' ? [68, 67] : [546, 547]
  if (guards.dhcpServer && isUdp && (sourcePort === server || destinationPort === client))
    return false
  const type = family === 'ipv6' ? packet.icmp?.type : undefined
  if (guards.router && (type === 134 || type === 137)) return false
  const type4 = family === 'ipv4' ? packet.icmp?.type : undefined
  if (guards.router && (type4 === 5 || type4 === 9)) return false
  if (family === 'ipv4') {
    const asks = isUdp && source === 0n && sourcePort === client && destinationPort === server
    return !guards.ipv4Source || asks || has(nic, 'ipv4', source)
  }
  if (guards.ipv6Source && source !== 0n && !has(nic, 'ipv6', source)) return false
  return (
    !guards.neighbourAdvertisement || type !== NEIGHBOUR_ADVERTISEMENT || has(nic, 'ipv6', target)
  )
}

function has(nic: FilteredNic, family: 'ipv4' | 'ipv6', value: bigint): boolean {
  if (ownValues(nic, family).includes(value)) return true
  return nic.allowedAddresses.some((text) => {
    const range = parseCidr(text)
    return range !== undefined && rangeHolds(range, { family, value })
  })
}

function ownValues(nic: FilteredNic | undefined, family: 'ipv4' | 'ipv6'): readonly bigint[] {
  if (nic === undefined) return []
  const own = nic[family].flatMap((text) => parseAddress(text)?.value ?? [])
  if (family === 'ipv4') return own
  return [...own, linkLocalOfMac(nic.mac).value]
}

function mac(text: string): bigint {
  return BigInt(`0x${text.replaceAll(':', '')}`)
}
