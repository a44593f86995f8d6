import {
  type Chain,
  chainOf,
  type MatchStatement,
  objectKey,
  type SetElement,
  type Statement,
  type TableObjects,
} from '../target/statement.ts'

/** A place in a chain where the mark is looked at. */
type Asking =
  | { readonly index: number; readonly match: MatchStatement }
  | { readonly index: number; readonly set: string; readonly part: number }
  | { readonly index: number; readonly chain: string }

/** What the rest of a chain can tell about a mark. Marks that look alike from a place on are
 *  decided alike, and a list's rest tells few of a host's classes apart. */
export class MarkSight {
  readonly #objects: TableObjects
  readonly #askings = new Map<string, readonly Asking[]>()
  readonly #byMark = new Map<string, ReadonlyMap<number, readonly SetElement[]>>()

  constructor(objects: TableObjects) {
    this.#objects = objects
  }

  /** The same text for marks that the rules from `index` on cannot tell apart. */
  from(chain: string, index: number, mark: number): string {
    let text = ''
    for (const asking of this.#askingsOf(chain)) {
      if (asking.index < index) continue
      if ('chain' in asking) {
        if (this.#askingsOf(asking.chain).length > 0) text += this.from(asking.chain, 0, mark)
      } else if ('set' in asking) {
        const known = this.elements(asking.set, asking.part).has(mark)
        if (known) return `=${mark}`
        text += '-'
      } else text += fulfils(asking.match, mark) ? 't' : 'f'
    }
    return text
  }

  /** The elements of a set (a key of the objects) by the mark in a part of their keys. */
  elements(set: string, part: number): ReadonlyMap<number, readonly SetElement[]> {
    const key = `${set} ${part}`
    const known = this.#byMark.get(key)
    if (known !== undefined) return known
    const found = new Map<number, SetElement[]>()
    for (const element of this.#objects.sets.get(set)?.elements.values() ?? []) {
      const mark = Number(element.key[part]?.first)
      const others = found.get(mark)
      if (others === undefined) found.set(mark, [element])
      else others.push(element)
    }
    this.#byMark.set(key, found)
    return found
  }

  #askingsOf(name: string): readonly Asking[] {
    const known = this.#askings.get(name)
    if (known !== undefined) return known
    const chain = this.#objects.chains.get(name)
    const found = (chain?.rules ?? []).flatMap(({ statements }, index) =>
      statements.flatMap((statement) => (chain ? this.#asking(statement, index, chain) : [])),
    )
    this.#askings.set(name, found)
    return found
  }

  #asking(statement: Statement, index: number, chain: Chain): readonly Asking[] {
    const nameOf = (name: string): string => objectKey({ table: chain.table, name })
    const bySet = (fields: readonly string[], set: string): readonly Asking[] => {
      const part = fields.indexOf('meta mark')
      return part === -1 ? [] : [{ index, set: nameOf(set), part }]
    }
    switch (statement.kind) {
      case 'match':
        return statement.field === 'meta mark' ? [{ index, match: statement }] : []
      case 'lookup':
        return bySet(statement.fields, statement.set)
      case 'set-mark':
        return typeof statement.to === 'number' ? [] : bySet(statement.to.fields, statement.to.map)
      case 'verdict': {
        const target = chainOf(statement.to)
        return target === undefined ? [] : [{ index, chain: nameOf(target) }]
      }
      case 'verdict-map': {
        const { map, fields } = statement
        const named = typeof map === 'string' ? this.#objects.sets.get(nameOf(map)) : undefined
        const elements = typeof map === 'string' ? [...(named?.elements.values() ?? [])] : map
        const targets = new Set(
          elements.flatMap(({ value }) =>
            typeof value === 'object' ? (chainOf(value) ?? []) : [],
          ),
        )
        const own = typeof map === 'string' ? bySet(fields, map) : []
        return [...own, ...[...targets].map((target) => ({ index, chain: nameOf(target) }))]
      }
      default:
        return []
    }
  }
}

function fulfils({ mask, operator, values }: MatchStatement, mark: number): boolean {
  const masked = mask === undefined ? mark : (mark & mask) >>> 0
  const held = values.some(({ first, last }) => Number(first) <= masked && masked <= Number(last))
  return held === (operator === '==')
}
