import { type AddressFamily, parseCidr, shortHash } from '@purlin/base'
import { INSIDE_DEVICE } from '../services/service.ts'
import type { LegDesired, RouterDesired, SteeredDesired } from './desired.ts'

/** The router's end of the cable to a port group's namespace; the other end is `PORT_GROUP_END`. */
export const PORT_GROUP_END = 'rt0'
/** The router's external device. */
export const EXTERNAL_DEVICE = 'ext0'

/** MACs and addresses of the two ends of such a cable. They are seen by nobody else, so they are
 *  the same everywhere; neither end is asked for, since each is told the other. */
export const cable = {
  router: { mac: '02:70:72:6c:00:01', ipv4: '169.254.0.1', ipv6: 'fe80::1' },
  portGroup: { mac: '02:70:72:6c:00:02', ipv4: '169.254.0.2', ipv6: 'fe80::2' },
} as const

/** Routing tables and marks of steered packets begin here. */
const FIRST_STEERED = 1_000

/** One thing that `ip -family FAMILY` is told, and how it is taken back. */
export interface Setting {
  readonly family: AddressFamily
  readonly apply: string
  readonly undo: string
}

/** Device of a port group's leg within the router's namespace. */
export function legDevice(portGroup: string): string {
  return `leg-${shortHash(portGroup, 8)}`
}

/** What the port group's namespace is told: everything that is not its own goes to the router, and
 *  every machine's MAC is known. Pure. */
export function portGroupSettings(leg: LegDesired): readonly Setting[] {
  return [
    ...[cable.router.ipv4, cable.router.ipv6].map((address) =>
      neighbour(address, cable.router.mac, PORT_GROUP_END),
    ),
    ...(['ipv4', 'ipv6'] as const).flatMap((family) => {
      const own = leg.subnets.find(({ cidr }) => parseCidr(cidr)?.family === family)
      if (own === undefined) return []
      const way = `via ${cable.router[family]} dev ${PORT_GROUP_END} onlink src ${own.gateway}`
      return [route(everything[family], way)]
    }),
    ...leg.neighbours.map(({ address, mac }) => neighbour(address, mac, INSIDE_DEVICE)),
    ...leg.routes.map(({ to, via }) => route(to, `via ${via} dev ${INSIDE_DEVICE} onlink`)),
  ]
}

/** What the router's namespace is told. Pure. */
export function routerSettings(router: RouterDesired): readonly Setting[] {
  return [
    ...localAfterMarks.settings,
    // ICMP errors need an address to come from; the ends of cables have none that travels.
    addressOn('lo', `${ownAddress(router.name)}/128`),
    ...router.legs.flatMap((leg) => {
      const device = legDevice(leg.portGroup)
      const networks = [...leg.subnets.map(({ cidr }) => cidr), ...leg.routes.map(({ to }) => to)]
      return [
        addressOn(device, `${cable.router.ipv4}/32`),
        ...[cable.portGroup.ipv4, cable.portGroup.ipv6].map((address) =>
          neighbour(address, cable.portGroup.mac, device),
        ),
        ...networks.map((network) => {
          const family = familyOf(network)
          return route(network, `via ${cable.portGroup[family]} dev ${device} onlink`)
        }),
      ]
    }),
    ...externalSettings(router),
  ]
}

/** What a router's namespace is told first: its own addresses are asked about after the marks of
 *  steered packets, which bear such an address and shall not stay. Where the rule of the kernel is
 *  gone already, that one command fails. */
export const localAfterMarks = {
  settings: (['ipv4', 'ipv6'] as const).map(
    (family): Setting => ({
      family,
      apply: 'rule add pref 30000 lookup local',
      undo: 'rule del pref 30000',
    }),
  ),
  instead: 'rule del pref 0',
} as const

/** The mark of packets that are steered to `via`. */
export function steeringMark(router: RouterDesired, via: string): number {
  return FIRST_STEERED + steeringTargets(router).indexOf(via)
}

function externalSettings({ external, answered, ...router }: RouterDesired): readonly Setting[] {
  if (external === undefined) return []
  const addresses = [
    ...external.addresses,
    ...answered.map((address) => `${address}/${familyOf(address) === 'ipv6' ? 128 : 32}`),
  ]
  return [
    ...addresses.map((address) => addressOn(EXTERNAL_DEVICE, address)),
    ...external.nextHops.map((via) =>
      route(everything[familyOf(via)], `via ${via} dev ${EXTERNAL_DEVICE} onlink`),
    ),
    ...external.routes.map(({ to, via }) => route(to, `via ${via} dev ${EXTERNAL_DEVICE} onlink`)),
    ...steeringTargets(router).flatMap((via, index) => {
      const family = familyOf(via)
      const table = FIRST_STEERED + index
      return [
        route(everything[family], `via ${via} dev ${EXTERNAL_DEVICE} onlink table ${table}`),
        {
          family,
          apply: `rule add pref ${table} fwmark ${table} lookup ${table}`,
          undo: `rule del pref ${table}`,
        },
      ]
    }),
  ]
}

function steeringTargets({
  steered,
}: {
  readonly steered: readonly SteeredDesired[]
}): readonly string[] {
  return [...new Set(steered.map(({ via }) => via))].sort()
}

function familyOf(text: string): AddressFamily {
  return text.includes(':') ? 'ipv6' : 'ipv4'
}

const everything = { ipv4: '0.0.0.0/0', ipv6: '::/0' } as const

/** A unique local address (RFC 4193) made of the router's name. */
function ownAddress(router: string): string {
  const digits = shortHash(`router ${router}`, 10)
  return `fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6, 10)}::1`
}

function neighbour(address: string, mac: string, device: string): Setting {
  return {
    family: familyOf(address),
    apply: `neigh replace ${address} lladdr ${mac} dev ${device} nud permanent`,
    undo: `neigh del ${address} dev ${device}`,
  }
}

function route(to: string, way: string): Setting {
  return {
    family: familyOf(to),
    apply: `route replace ${to} ${way}`,
    undo: `route del ${to} ${way}`,
  }
}

function addressOn(device: string, address: string): Setting {
  const noDetection = address.includes(':') ? ' nodad' : ''
  return {
    family: familyOf(address),
    apply: `address replace ${address} dev ${device}${noDetection}`,
    undo: `address del ${address} dev ${device}`,
  }
}
