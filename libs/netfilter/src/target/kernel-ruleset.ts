import type { AddressFamily } from '@purlin/base'
import type { MapName, TableFamily } from './names.ts'

/** Where a base chain is attached. */
export interface Hook {
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly priority: number
}

/** A rule in nft's text; `id` becomes its comment. */
export interface KernelRule {
  readonly id: string
  readonly text: string
}

export interface KernelChain {
  readonly table: TableFamily
  readonly name: string
  /** Present: a base chain. */
  readonly hook?: Hook
  readonly rules: readonly KernelRule[]
}

export interface KernelSet {
  readonly family: AddressFamily
  readonly elements: readonly string[]
}

/** What the two tables are to hold, in the kernel's terms. Keys of `chains` are `TABLE/NAME`;
 *  maps go from an interface name or a mark to a mark or a verdict, as nft writes them. */
export interface KernelRuleset {
  readonly chains: ReadonlyMap<string, KernelChain>
  readonly sets: ReadonlyMap<string, KernelSet>
  readonly maps: Readonly<Record<MapName, ReadonlyMap<string, string>>>
}

/** The key of a chain in a rule set. */
export function chainKey(chain: { readonly table: TableFamily; readonly name: string }): string {
  return `${chain.table}/${chain.name}`
}
