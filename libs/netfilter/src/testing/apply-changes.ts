import type { Change } from '../netlink/index.ts'
import {
  type Chain,
  elementKey,
  type NamedSet,
  objectKey,
  type SetElement,
  type TableObjects,
} from '../target/statement.ts'

/** What a kernel holds after a transaction, told from what it held before. Pure. Errors: what the
 *  kernel would refuse: a missing object, an element that is there already with another value. */
export function applyChanges(objects: TableObjects, changes: readonly Change[]): TableObjects {
  const chains = new Map(objects.chains)
  const sets = new Map(objects.sets)
  const chainAt = (table: Chain['table'], name: string): Chain => {
    const found = chains.get(objectKey({ table, name }))
    if (found === undefined) throw new Error(`no chain ${table} ${name}`)
    return found
  }
  const edit = (
    set: Pick<NamedSet, 'table' | 'name'>,
    by: (all: Map<string, SetElement>) => void,
  ): void => {
    const key = objectKey(set)
    const found = sets.get(key)
    if (found === undefined) throw new Error(`no set ${key}`)
    const elements = new Map(found.elements)
    by(elements)
    sets.set(key, { ...found, elements })
  }
  for (const change of changes) {
    switch (change.change) {
      case 'add-chain':
        chains.set(objectKey(change.chain), { ...change.chain, rules: [] })
        break
      case 'delete-chain':
        chainAt(change.table, change.name)
        chains.delete(objectKey(change))
        break
      case 'flush-chain':
        chains.set(objectKey(change), { ...chainAt(change.table, change.name), rules: [] })
        break
      case 'add-rule': {
        const chain = chainAt(change.table, change.chain)
        chains.set(objectKey(chain), { ...chain, rules: [...chain.rules, change.rule] })
        break
      }
      case 'add-set':
        sets.set(objectKey(change.set), { ...change.set, elements: new Map() })
        break
      case 'delete-set':
        edit(change, () => undefined)
        sets.delete(objectKey(change))
        break
      case 'flush-set':
        edit(change, (elements) => elements.clear())
        break
      case 'add-elements':
        edit(change.set, (elements) => {
          for (const element of change.elements) {
            const key = elementKey(element)
            if (elements.has(key)) throw new Error(`${change.set.name} has ${key} already`)
            elements.set(key, element)
          }
        })
        break
      case 'delete-elements':
        edit(change.set, (elements) => {
          for (const element of change.elements) {
            const key = elementKey(element)
            if (!elements.delete(key)) throw new Error(`${change.set.name} has no ${key}`)
          }
        })
        break
      case 'add-table':
      case 'delete-table':
      case 'add-counter':
        break
    }
  }
  return { chains, sets }
}
