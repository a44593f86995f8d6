import type { AddressFamily, AddressRange } from '@purlin/base'
import type { NicGuards } from '@purlin/schema'
import type { PortRange } from '../policy/ranges.ts'
import type { CompiledForm } from './form.ts'

export type Side = 'source' | 'destination'
export type CompiledVerdict = 'accept' | 'drop'

/** One condition of a compiled rule. A rule's conditions must all hold. `ports` and `icmp` carry
 *  their protocol, because the kernel reads those bytes without asking what they are. */
export type Match =
  | {
      readonly on: 'address'
      readonly side: Side
      /** Disjoint and in order. */
      readonly ranges: readonly AddressRange[]
    }
  | { readonly on: 'group'; readonly side: Side; readonly set: string }
  | { readonly on: 'protocol'; readonly protocol: number }
  | { readonly on: 'ports'; readonly protocol: number; readonly ranges: readonly PortRange[] }
  | { readonly on: 'source-port'; readonly protocol: number; readonly port: number }
  | {
      readonly on: 'icmp'
      readonly protocol: number
      readonly type: number
      readonly code: number | undefined
    }
  /** An ICMP error about a flow that conntrack knows (`ct state related`). */
  | { readonly on: 'related' }

/** `id` says where the rule comes from: `web/inbound/0` (or the rule's own id in place of its
 *  priority), `web/members`, `default`, `open/dhcp-answer`. One rule of a group may become several
 *  in a row with one id. */
export interface CompiledRule {
  readonly id: string
  readonly matches: readonly Match[]
  readonly verdict: CompiledVerdict
  /** Whether new flows that it decides are logged, at most ten a second. The limit must not keep
   *  the verdict from falling: logging stands in a rule of its own before it. */
  readonly log: boolean
}

/** One direction of one or many NICs whose lists are equal. `key` is a hash of the content, so a
 *  list is never edited: another content is another list. */
export interface CompiledList {
  readonly key: string
  readonly ipv4: CompiledForm
  readonly ipv6: CompiledForm
}

/** What passes before a list is asked: DHCP, neighbour discovery, the router's advertisements,
 *  ICMP errors, as far as the NIC has them on. All of its rules accept; where none matches, the
 *  list decides. Shared by NICs with equal switches and servers. */
export interface CompiledOpen {
  readonly key: string
  readonly ipv4: readonly CompiledRule[]
  readonly ipv6: readonly CompiledRule[]
}

/** The addresses of a group's members, one family; linear lists name it, so that a member joins
 *  or leaves without touching them. */
export interface GroupSet {
  readonly name: string
  readonly family: AddressFamily
  /** In their shortest usual text, in order. */
  readonly addresses: readonly string[]
}

/** The host's map from an address to its class: the set of all groups it is a member of, of those
 *  that some list in identity form names. One element changes when a member joins or leaves,
 *  however many lists name the group. A plain hash map of single addresses. */
export interface ClassMap {
  readonly family: AddressFamily
  /** Class number by address in its shortest usual text; addresses of no class are absent. */
  readonly classes: ReadonlyMap<string, number>
  /** The addresses that may differ from the former `classes` of the same compiler. */
  readonly since:
    | {
        readonly former: ReadonlyMap<string, number>
        readonly addresses: readonly string[]
      }
    | undefined
}

/** What lists see of the classes whose rules name just these groups: class number to the number
 *  of the part of the class that they name. A class that is wholly named maps to itself and one
 *  of which nothing is named matters to nobody, so neither is stored: a miss leaves the mark. */
export interface ClassView {
  readonly key: string
  /** In order of their names. */
  readonly groups: readonly string[]
  readonly classes: ReadonlyMap<number, number>
}

export interface CompiledNic {
  readonly port: string
  readonly tap: string
  readonly inner: string
  readonly zone: number
  readonly mac: string
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  readonly guards: NicGuards
  /** MACs that it may send from beside its own. */
  readonly allowedMacs: readonly string[]
  /** Addresses that it may send from beside its own, disjoint and in order by family. */
  readonly allowedRanges: readonly AddressRange[]
  /** Keys of the NIC's lists; absent: guards only. */
  readonly lists: { readonly inbound: string; readonly outbound: string } | undefined
  /** Keys of what passes before the lists; absent exactly where `lists` is. */
  readonly opens: { readonly inbound: string; readonly outbound: string } | undefined
}

/** The rule set of a host, independent of what enforces it. A compiler that is asked again gives
 *  back the same object for every part that did not change, so parts may be compared by `===`. */
export interface CompiledRuleset {
  readonly nics: readonly CompiledNic[]
  readonly lists: ReadonlyMap<string, CompiledList>
  readonly opens: ReadonlyMap<string, CompiledOpen>
  /** Of the groups that a linear list names. */
  readonly sets: ReadonlyMap<string, GroupSet>
  /** Of the groups that an identity list names; empty maps where there is none. */
  readonly classes: Readonly<Record<AddressFamily, ClassMap>>
  /** The class maps for the time until NICs are turned to new lists: members as they were, by the
   *  groups that the old lists or the new ones name. The order in which no packet is decided
   *  wrongly: views, new lists and these maps beside what is in force; then the turn; then
   *  `classes`. Where no NIC is turned they do not matter, and `classes` may come with the
   *  views. */
  readonly classesAside: Readonly<Record<AddressFamily, ClassMap>>
  /** The rule set after which that order holds: while it is in force. Undefined where none was
   *  compiled before, and where rules and members have changed both: between the turn and the
   *  classes the new rules would decide by the old members, which nobody has asked for. */
  readonly asideOf: Pick<CompiledRuleset, 'lists' | 'classes'> | undefined
  /** Of the lists, and of the lists before them, which decide until the turn. */
  readonly views: ReadonlyMap<string, ClassView>
  /** Number by class, a class written as its groups in order with a blank between. Given back to
   *  a compiler they keep their numbers. */
  readonly classNumbers: ReadonlyMap<string, number>
}

/** What a later compiler must know of a rule set in force to bring about the very same. */
export interface KeptClasses {
  readonly classNumbers: ReadonlyMap<string, number>
  /** The groups of each view, by its key. */
  readonly views: ReadonlyMap<string, readonly string[]>
}

/** What to keep of a rule set. Pure. */
export function keptClasses({ classNumbers, views }: CompiledRuleset): KeptClasses {
  return { classNumbers, views: new Map([...views].map(([key, { groups }]) => [key, groups])) }
}
