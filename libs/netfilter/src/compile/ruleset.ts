import type { AddressFamily, AddressRange } from '@purlin/base'
import type { PortRange } from '../policy/ranges.ts'

/** One condition of a compiled rule. A rule's conditions must all hold. `ports` and `icmp` carry
 *  their protocol, because the kernel reads those bytes without asking what they are. */
export type Match =
  | {
      readonly on: 'address'
      readonly side: 'source' | 'destination'
      /** Disjoint and in order. */
      readonly ranges: readonly AddressRange[]
    }
  | { readonly on: 'group'; readonly side: 'source' | 'destination'; readonly set: string }
  | { readonly on: 'protocol'; readonly protocol: number }
  | { readonly on: 'ports'; readonly protocol: number; readonly ranges: readonly PortRange[] }
  | {
      readonly on: 'icmp'
      readonly protocol: number
      readonly type: number
      readonly code: number | undefined
    }

/** `id` says where the rule comes from: `web/inbound/0`, `web/members`, `default`. One rule of a
 *  group may become several in a row with one id. */
export interface CompiledRule {
  readonly id: string
  readonly matches: readonly Match[]
  readonly verdict: 'accept' | 'drop'
}

/** One direction of one or many NICs whose lists are equal; `key` is the hash of its content. */
export interface CompiledList {
  readonly key: string
  readonly ipv4: readonly CompiledRule[]
  readonly ipv6: readonly CompiledRule[]
}

/** The addresses of a group's members, one family; rules name it, so that a member joins or leaves
 *  without touching them. */
export interface GroupSet {
  readonly name: string
  readonly family: AddressFamily
  /** In their shortest usual text, in order. */
  readonly addresses: readonly string[]
}

export interface CompiledNic {
  readonly port: string
  readonly tap: string
  readonly inner: string
  readonly zone: number
  readonly mac: string
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  /** Keys of the NIC's lists; absent: guards only. */
  readonly lists: { readonly inbound: string; readonly outbound: string } | undefined
}

/** The rule set of a host, independent of what enforces it. */
export interface CompiledRuleset {
  readonly sets: ReadonlyMap<string, GroupSet>
  readonly lists: ReadonlyMap<string, CompiledList>
  readonly nics: readonly CompiledNic[]
}
