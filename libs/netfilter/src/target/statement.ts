import type { TableFamily } from './names.ts'

/** What a rule can look at. Each is one register load in the kernel: nothing is implied, so a rule
 *  that reads an IPv4 header in table inet says `meta nfproto` first, one that reads a port says
 *  `meta l4proto`, as the kernel holds it. */
export type Field =
  | 'meta mark'
  | 'meta l4proto'
  | 'meta nfproto'
  | 'meta protocol'
  | 'meta iifname'
  | 'meta oifname'
  | 'ct state'
  | 'ether saddr'
  | 'ether daddr'
  | 'ether type'
  | 'arp operation'
  | 'arp saddr ether'
  | 'arp saddr ip'
  | 'arp daddr ip'
  | 'ip saddr'
  | 'ip daddr'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'th sport'
  | 'th dport'
  | 'tcp flags'
  | 'icmp type'
  | 'icmp code'
  | 'icmpv6 type'
  | 'icmpv6 code'
  /** The target address of a neighbour solicitation or advertisement, `@th,64,128`. */
  | 'icmpv6 target'

/** A value of a field: a number (marks, protocols, ports, types, flags), a bigint (IPv4 and IPv6
 *  addresses), a text (a MAC in lower case, the name of an interface; `ptap-*`: all that begin
 *  so). */
export type Value = number | bigint | string

/** Values from `first` to `last`, both inside; equal ends are one value. */
export interface ValueRange {
  readonly first: Value
  readonly last: Value
}

/** What becomes of a packet; `jump` and `goto` name a chain of the same table. */
export type Verdict =
  | { readonly verdict: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly verdict: 'jump' | 'goto'; readonly chain: string }

/** `FIELD [& MASK] ==|!= VALUES`. Several values, or a range among several, are an anonymous set
 *  in the kernel. Ranges are disjoint and in order. */
export interface MatchStatement {
  readonly kind: 'match'
  readonly field: Field
  readonly mask?: number
  readonly operator: '==' | '!='
  readonly values: readonly ValueRange[]
}

/** What is looked up in a set or map. */
export interface LookupKey {
  readonly fields: readonly Field[]
  /** Marks and protocols are turned into network order first, as a concatenation whose elements
   *  may be ranges holds them (`isConcatenatedInterval`). */
  readonly networkOrder?: true
}

/** `FIELD . FIELD @SET`, or that it is not in the set. */
export interface LookupStatement extends LookupKey {
  readonly kind: 'lookup'
  readonly operator: '==' | '!='
  readonly set: string
}

/** `FIELD . FIELD vmap @MAP`; a packet whose key is not in the map goes on with the next rule. */
export interface VerdictMapStatement extends LookupKey {
  readonly kind: 'verdict-map'
  /** A name, or the elements of an anonymous map. */
  readonly map: string | readonly SetElement[]
}

/** `meta mark set VALUE`, or `meta mark set FIELD . FIELD map @MAP`: where the map has no such key,
 *  the packet goes on with the next rule and its mark stays. */
export interface SetMarkStatement {
  readonly kind: 'set-mark'
  readonly to: number | (LookupKey & { readonly map: string })
}

/** `ct zone set NUMBER`. */
export interface SetZoneStatement {
  readonly kind: 'set-zone'
  readonly zone: number
}

/** `ct mark set meta mark`: the connection keeps which list let it begin. */
export interface KeepMarkStatement {
  readonly kind: 'keep-mark'
}

/** `meta mark set ct mark`: the packet has again the mark with which it came to its list. */
export interface RestoreMarkStatement {
  readonly kind: 'restore-mark'
}

/** Counts; what it has counted is not part of a rule (`readCounters`). */
export interface CounterStatement {
  readonly kind: 'counter'
}

/** Up to this many a second, with a burst; beyond, the rule does not match. */
export interface LimitStatement {
  readonly kind: 'limit'
  readonly packetsPerSecond: number
  readonly burstPackets: number
}

/** Sends the packet's headers to the listeners of an nflog group. */
export interface LogStatement {
  readonly kind: 'log'
  readonly group: number
  /** At most 127 bytes. */
  readonly prefix: string
}

export interface VerdictStatement {
  readonly kind: 'verdict'
  readonly to: Verdict
}

export type Statement =
  | MatchStatement
  | LookupStatement
  | VerdictMapStatement
  | SetMarkStatement
  | SetZoneStatement
  | KeepMarkStatement
  | RestoreMarkStatement
  | CounterStatement
  | LimitStatement
  | LogStatement
  | VerdictStatement

/** A rule; `id` is its comment in the kernel and says where it comes from. */
export interface Rule {
  readonly id: string
  readonly statements: readonly Statement[]
}

/** Where a base chain is attached; its policy is accept. */
export interface Hook {
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly priority: number
}

export interface Chain {
  readonly table: TableFamily
  readonly name: string
  /** Present: a base chain. */
  readonly hook?: Hook
  readonly rules: readonly Rule[]
}

/** Types of the parts of a set's key, as nft names them. */
export type KeyType =
  | 'mark'
  | 'ifname'
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'ether_addr'
  | 'ether_type'
  | 'inet_proto'
  | 'inet_service'
  | 'icmp_type'
  | 'icmp_code'
  | 'icmpv6_type'
  | 'icmpv6_code'
  | 'nf_proto'

/** A set, or with `value` a map, without its elements. */
export interface SetShape {
  readonly table: TableFamily
  readonly name: string
  /** Several parts: a concatenation. */
  readonly key: readonly KeyType[]
  readonly value?: 'verdict' | 'mark'
  /** Whether elements may be ranges. */
  readonly interval: boolean
  /** Whether each element counts. */
  readonly counter: boolean
  readonly comment?: string
}

/** One key, a range for each part, and what it leads to. Of one part in a map of verdicts by
 *  mark: `{ key: [{ first: 0x5000000b, last: 0x5000000b }], value: { verdict: 'jump', chain } }`. */
export interface SetElement {
  readonly key: readonly ValueRange[]
  readonly value?: Verdict | number
  readonly comment?: string
}

/** A named set or map with its elements by `elementKey`. */
export interface NamedSet extends SetShape {
  readonly elements: ReadonlyMap<string, SetElement>
}

/** What our two tables hold, or are to hold. Keys are `TABLE/NAME` (`objectKey`). */
export interface TableObjects {
  readonly chains: ReadonlyMap<string, Chain>
  readonly sets: ReadonlyMap<string, NamedSet>
}

/** The key of a chain or set among a host's. */
export function objectKey(one: { readonly table: TableFamily; readonly name: string }): string {
  return `${one.table}/${one.name}`
}

/** Whether the set is a concatenation whose elements may be ranges. */
export function isConcatenatedInterval(set: Pick<SetShape, 'key' | 'interval'>): boolean {
  return set.interval && set.key.length > 1
}

/** One value as a range. */
export function only(value: Value): ValueRange {
  return { first: value, last: value }
}

/** The key of an element among those of its set. */
export function elementKey({ key }: Pick<SetElement, 'key'>): string {
  const [only] = key
  if (key.length === 1 && only !== undefined) return rangeKey(only)
  return key.map(rangeKey).join(' . ')
}

function rangeKey({ first, last }: ValueRange): string {
  return first === last ? String(first) : `${first}-${last}`
}

/** A set's elements by their keys. */
export function elementsByKey(elements: Iterable<SetElement>): ReadonlyMap<string, SetElement> {
  return new Map([...elements].map((element) => [elementKey(element), element]))
}

/** Whether two elements lead to the same. */
export function sameValue(one: SetElement, other: SetElement): boolean {
  const [a, b] = [one.value, other.value]
  if (typeof a !== 'object' || typeof b !== 'object') return a === b
  return a.verdict === b.verdict && chainOf(a) === chainOf(b)
}

/** The chain that a verdict leads to. */
export function chainOf(verdict: Verdict): string | undefined {
  return 'chain' in verdict ? verdict.chain : undefined
}
