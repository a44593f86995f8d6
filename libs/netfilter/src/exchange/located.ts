import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { FilePlace } from './rule-file.ts'

const ALIAS_LIMIT = 100

/** A value of a JSON or YAML text that knows its place. */
export class Located implements FilePlace {
  readonly value: unknown
  readonly line: number
  readonly path: string
  readonly #node: Node | null
  readonly #source: Source

  constructor(value: unknown, line: number, path: string, node: Node | null, source: Source) {
    this.value = value
    this.line = line
    this.path = path
    this.#node = node
    this.#source = source
  }

  /** The fields of a mapping, in their order; nothing for anything else. */
  fields(): ReadonlyMap<string, Located> {
    const { value } = this
    const node = this.#source.resolved(this.#node)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return new Map()
    const nodes = new Map(
      isMap(node)
        ? node.items.map((pair) => [
            isScalar(pair.key) ? String(pair.key.value) : String(pair.key),
            pair,
          ])
        : [],
    )
    return new Map(
      Object.entries(value).map(([name, inner]) => {
        const pair = nodes.get(name)
        const line = this.#source.lineOf(pair?.key as Node | undefined) ?? this.line
        const path = this.path === '' ? name : `${this.path}.${name}`
        const child = (pair?.value ?? null) as Node | null
        return [name, new Located(inner, line, path, child, this.#source)]
      }),
    )
  }

  /** The items of a list; nothing for anything else. */
  items(): readonly Located[] {
    if (!Array.isArray(this.value)) return []
    const node = this.#source.resolved(this.#node)
    const nodes = isSeq<Node>(node) ? node.items : []
    return this.value.map((inner, index) => {
      const child = nodes[index] ?? null
      const line = this.#source.lineOf(child) ?? this.line
      return new Located(inner, line, `${this.path}[${index}]`, child, this.#source)
    })
  }

  /** The place of what `path` names below this value, as deep as it stands in the text. */
  placeOf(path: string): FilePlace {
    const [, name, index, rest = ''] = /^(?:\.?([^.[]+)|\[(\d+)\])(.*)$/s.exec(path) ?? []
    const next =
      name === undefined ? this.items()[Number(index ?? Number.NaN)] : this.fields().get(name)
    if (next !== undefined) return next.placeOf(rest)
    const { line } = this
    return {
      line,
      path: path === '' || this.path === '' ? this.path + path : joined(this.path, path),
    }
  }
}

interface Source {
  resolved(node: Node | null): Node | null
  lineOf(node: Node | null | undefined): number | undefined
}

/** Reads a JSON or YAML text of one document. Answers the value with its places, or what is wrong
 *  with the text. Pure. */
export function readLocated(
  text: string,
): { readonly root: Located } | { readonly line: number; readonly message: string } {
  const lines = new LineCounter()
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line || 1
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
    const [fault] = [...document.errors, ...document.warnings]
    if (fault !== undefined) {
      return { line: lineAt(fault.pos[0]), message: `not JSON or YAML: ${fault.message}` }
    }
    const source: Source = {
      resolved: (node) => (isAlias(node) ? (node.resolve(document) ?? null) : node),
      lineOf: (node) => (node?.range ? lineAt(node.range[0]) : undefined),
    }
    const value: unknown = document.toJS({ maxAliasCount: ALIAS_LIMIT })
    const contents = document.contents as Node | null
    return { root: new Located(value, source.lineOf(contents) ?? 1, '', contents, source) }
  } catch (thrown) {
    // The parser recurses once a level, so a text of a hundred thousand brackets ends here.
    const deep = thrown instanceof RangeError
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    return { line: 1, message: `cannot be read: ${deep ? 'is nested too deeply' : found}` }
  }
}

function joined(parent: string, path: string): string {
  return path.startsWith('[') || path.startsWith('.') ? parent + path : `${parent}.${path}`
}
