import type { TableFamily } from '../target/names.ts'
import type { Chain, Rule, SetElement, SetShape } from '../target/statement.ts'

interface Named {
  readonly table: TableFamily
  readonly name: string
}

/** One step of a transaction. `add-…` of what exists already is no error for tables, chains, sets
 *  and equal elements, and an error (EEXIST) for an element that leads elsewhere; deletion of what
 *  is missing is an error (ENOENT). */
export type Change =
  | { readonly change: 'add-table' | 'delete-table'; readonly table: TableFamily }
  /** A named counter; one of them marks a table as ours. */
  | ({ readonly change: 'add-counter' } & Named)
  /** Without its rules. */
  | { readonly change: 'add-chain'; readonly chain: Omit<Chain, 'rules'> }
  /** `flush-chain` takes all its rules; a chain must be empty of references to be deleted, and is
   *  deleted with its rules. */
  | ({ readonly change: 'flush-chain' | 'delete-chain' } & Named)
  /** At the end of the chain. */
  | {
      readonly change: 'add-rule'
      readonly table: TableFamily
      readonly chain: string
      readonly rule: Rule
    }
  | { readonly change: 'add-set'; readonly set: SetShape }
  | ({ readonly change: 'flush-set' | 'delete-set' } & Named)
  | {
      readonly change: 'add-elements' | 'delete-elements'
      readonly set: SetShape
      readonly elements: readonly SetElement[]
    }

/** A change in words: `add rule web/inbound/0 to inet/list-…`. */
export function changeText(change: Change): string {
  const verb = change.change.replace('-', ' ')
  switch (change.change) {
    case 'add-table':
    case 'delete-table':
      return `${verb} ${change.table}`
    case 'add-chain':
      return `${verb} ${change.chain.table}/${change.chain.name}`
    case 'add-rule':
      return `${verb} ${change.rule.id} to ${change.table}/${change.chain}`
    case 'add-set':
      return `${verb} ${change.set.table}/${change.set.name}`
    case 'add-elements':
    case 'delete-elements':
      return `${verb} (${change.elements.length}) of ${change.set.table}/${change.set.name}`
    default:
      return `${verb} ${change.table}/${change.name}`
  }
}
