import type { Field } from '../target/statement.ts'

/** Where the kernel finds a field: by a key of `meta` or `ct`, or in a header. */
export type Load =
  | { readonly from: 'meta' | 'ct'; readonly key: number }
  | {
      readonly from: 'payload'
      readonly base: number
      readonly offset: number
      /** What must have been said before, so that these bytes are this field. */
      readonly header: Header
    }

/** What headers the earlier matches of a rule leave. */
export type Header = 'ether' | 'ip' | 'ip6' | 'arp' | 'transport' | 'icmp' | 'icmpv6'

export const payloadBase = { link: 0, network: 1, transport: 2 } as const

const link = (offset: number): Load => at(payloadBase.link, offset, 'ether')
const network = (offset: number, header: Header): Load => at(payloadBase.network, offset, header)
const transport = (offset: number, header: Header): Load => {
  return at(payloadBase.transport, offset, header)
}

function at(base: number, offset: number, header: Header): Load {
  return { from: 'payload', base, offset, header }
}

/** Numbers of `enum nft_meta_keys` and `nft_ct_keys`. */
export const metaKey = {
  protocol: 1,
  mark: 3,
  inputName: 6,
  outputName: 7,
  family: 15,
  transport: 16,
} as const
export const ctKey = { state: 0, mark: 3, zone: 17 } as const

const loads: Readonly<Record<Field, Load>> = {
  'meta mark': { from: 'meta', key: metaKey.mark },
  'meta l4proto': { from: 'meta', key: metaKey.transport },
  'meta nfproto': { from: 'meta', key: metaKey.family },
  'meta protocol': { from: 'meta', key: metaKey.protocol },
  'meta iifname': { from: 'meta', key: metaKey.inputName },
  'meta oifname': { from: 'meta', key: metaKey.outputName },
  'ct state': { from: 'ct', key: ctKey.state },
  'ether daddr': link(0),
  'ether saddr': link(6),
  'ether type': link(12),
  'arp operation': network(6, 'arp'),
  'arp saddr ether': network(8, 'arp'),
  'arp saddr ip': network(14, 'arp'),
  'arp daddr ip': network(24, 'arp'),
  'ip saddr': network(12, 'ip'),
  'ip daddr': network(16, 'ip'),
  'ip6 saddr': network(8, 'ip6'),
  'ip6 daddr': network(24, 'ip6'),
  'th sport': transport(0, 'transport'),
  'th dport': transport(2, 'transport'),
  'tcp flags': transport(13, 'transport'),
  'icmp type': transport(0, 'icmp'),
  'icmp code': transport(1, 'icmp'),
  'icmpv6 type': transport(0, 'icmpv6'),
  'icmpv6 code': transport(1, 'icmpv6'),
  'icmpv6 target': transport(8, 'icmpv6'),
}

export function loadOf(field: Field): Load {
  return loads[field]
}

const entries = Object.entries(loads) as [Field, Load][]

/** The field of a `meta` or `ct` key. */
export function fieldOfKey(from: 'meta' | 'ct', key: number): Field | undefined {
  return entries.find(([, load]) => load.from === from && load.key === key)?.[0]
}

/** The field that begins at a place of a header, given which headers these are. */
export function fieldAt(
  base: number,
  offset: number,
  headers: ReadonlySet<Header>,
): Field | undefined {
  return entries.find(
    ([, load]) =>
      load.from === 'payload' &&
      load.base === base &&
      load.offset === offset &&
      headers.has(load.header),
  )?.[0]
}
