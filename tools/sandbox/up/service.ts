import { type Manifest, portsOf } from '@purlin/schema'

/** What a cell of the table asks for; the port of icmp is 0. */
export interface Service {
  readonly protocol: 'tcp' | 'udp' | 'icmp'
  readonly port: number
}

/** Columns of the table at most, so that a policy of hundreds of ports still prints. */
const NAMED_PORTS_MAX = 16
/** Where the search for a port that nobody names begins. */
const UNNAMED_FROM = 7000
const DNS_PORT = 53

/** The services a policy speaks of: each port its rules name (of a range the first), then one TCP
 *  port that no rule names, DNS by UDP, and ping. Pure. */
export function servicesOf(groups: readonly Manifest<'SecurityGroup'>[]): readonly Service[] {
  const named = groups.flatMap(({ spec }) =>
    [...spec.inbound, ...spec.outbound].flatMap((rule) =>
      rule.protocol === 'tcp' || rule.protocol === 'udp'
        ? (rule.ports ?? []).map((span) => ({ protocol: rule.protocol, ...portsOf(span) }))
        : [],
    ),
  )
  const isNamed = (port: number): boolean =>
    named.some((span) => span.protocol === 'tcp' && span.first <= port && port <= span.last)
  const services = named
    .filter(({ first }) => first > 0)
    .map(({ protocol, first }) => ({ protocol: protocol as 'tcp' | 'udp', port: first }))
  const unnamed = Array.from({ length: 1000 }, (_, index) => UNNAMED_FROM + index).find(
    (port) => !isNamed(port),
  )
  const all: Service[] = [
    ...unique(services).toSorted(byProtocolAndPort).slice(0, NAMED_PORTS_MAX),
    ...(unnamed === undefined ? [] : [{ protocol: 'tcp' as const, port: unnamed }]),
    { protocol: 'udp', port: DNS_PORT },
    { protocol: 'icmp', port: 0 },
  ]
  return unique(all)
}

/** The column's name: `tcp/80`, `icmp`. */
export function serviceText({ protocol, port }: Service): string {
  return protocol === 'icmp' ? 'icmp' : `${protocol}/${port}`
}

/** The ports of `services` that an echo server must hold. */
export function portsToServe(services: readonly Service[]): {
  readonly tcp: readonly number[]
  readonly udp: readonly number[]
} {
  const of = (protocol: Service['protocol']): number[] =>
    services.filter((service) => service.protocol === protocol).map(({ port }) => port)
  return { tcp: of('tcp'), udp: of('udp') }
}

function unique(services: readonly Service[]): Service[] {
  return [...new Map(services.map((service) => [serviceText(service), service])).values()]
}

function byProtocolAndPort(a: Service, b: Service): number {
  return a.protocol === b.protocol ? a.port - b.port : a.protocol < b.protocol ? -1 : 1
}
