import type { CompiledRule, CompiledVerdict, Side } from './ruleset.ts'

/** How one list decides in one family. Both forms decide alike; which one is chosen is a matter of
 *  cost. */
export type CompiledForm = LinearForm | IdentityForm

/** Rule after rule; the last one matches everything. */
export interface LinearForm {
  readonly form: 'linear'
  readonly rules: readonly CompiledRule[]
}

/** A fixed number of look-ups, however many rules there are. The first ones put into the packet's
 *  mark what the peer's address is to this list (its identity), the later ones go from identity,
 *  protocol and port to a verdict; over disjoint keys, so that no order of elements matters.
 *  Look-ups run in order. One that misses changes nothing, and the next one runs; a verdict ends
 *  the walk; where none falls, `rest` decides. */
export interface IdentityForm {
  readonly form: 'identity'
  /** Whose address `address` in a key means. */
  readonly side: Side
  readonly lookups: readonly Lookup[]
  readonly rest: Decided
}

/** The verdict of a rule. `id` as in `CompiledRule`; a counter per element counts exactly the hits
 *  of this rule. With `log` the element leads to a chain that logs and then says the verdict. */
export interface Decided {
  readonly id: string
  readonly verdict: CompiledVerdict
  readonly log: boolean
}

/** Fields of a key, in the order of the key. `port` is the destination port. */
export type KeyField = 'mark' | 'address' | 'protocol' | 'port' | 'icmpType' | 'icmpCode'

/** Both ends inside; bigint for `address`, else a number. */
export interface KeyRange {
  readonly first: number | bigint
  readonly last: number | bigint
}

/** Packets for which a look-up is made at all: `ports` TCP, UDP and SCTP; `icmp` ICMP of the
 *  family; `no-identity` while the mark holds no identity yet (`mark & IDENTITY_MASK !=
 *  IDENTITY_BASE`). The bytes of a port mean nothing in other protocols. */
export type LookupGuard = 'always' | 'ports' | 'icmp' | 'no-identity'

export type Lookup =
  /** The mark becomes the address's class, by the host's `ClassMap` of the family. */
  | { readonly sets: 'class' }
  /** The mark becomes the part of the class that the list names, by the `ClassView` of that key. */
  | { readonly sets: 'view'; readonly view: string }
  | MarkLookup
  | VerdictLookup

interface OwnLookup {
  /** Unique in its form; part of the name of the kernel's map. */
  readonly name: string
  readonly key: readonly KeyField[]
  /** Whether keys are ranges; else every key is a single value and a hash map serves. */
  readonly ranged: boolean
  readonly guard: LookupGuard
}

/** The mark becomes an identity. */
export interface MarkLookup extends OwnLookup {
  readonly sets: 'mark'
  readonly elements: readonly { readonly key: readonly KeyRange[]; readonly mark: number }[]
}

export interface VerdictLookup extends OwnLookup {
  readonly sets: 'verdict'
  readonly elements: readonly VerdictElement[]
}

export interface VerdictElement extends Decided {
  readonly key: readonly KeyRange[]
}

/** Numbers that a list writes into the mark. They share the first hexadecimal digit with the marks
 *  of managed NICs, so that one rule behind the lists clears them all, and are disjoint from those
 *  and from each other, so that a look-up that misses leaves a mark that no later key has. */
export const OWN_MARK_MASK = 0xf0000000
export const OWN_MARK = 0x50000000
/** Identities of a list: 0x54000000 to 0x56ffffff, counted within the list. */
export const IDENTITY_BASE = 0x54000000
export const IDENTITY_MASK = 0xfc000000
/** What a look-up decides, as the target numbers it: 0x57000000 to 0x57ffffff. */
export const DECISION_BASE = 0x57000000
/** Classes of the host: 0x58000000 to 0x5fffffff, from a hash of their groups' names. */
export const CLASS_BASE = 0x58000000
export const CLASS_BITS = 27
