import { isAlias, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml'
import type { ManifestDocument } from './read.ts'

/** Line (from 1) of the deepest part of `path` that stands in the document: a field's key, or an
 *  item of a list. A field that is missing gives the line of what should hold it. `path` is
 *  written as in problems: `spec.inbound[0].source.cidrs[1]`. Pure. */
export function locate(document: ManifestDocument, path: string): number {
  let node: Node | null = document.node
  let offset = node?.range?.[0] ?? 0
  let rest = path
  while (rest !== '') {
    const step = nextStep(resolved(document, node), rest)
    if (step === undefined) break
    offset = step.offset
    node = step.node
    rest = step.rest
  }
  return document.lines.linePos(offset).line || 1
}

interface Step {
  readonly node: Node | null
  readonly offset: number
  readonly rest: string
}

function nextStep(node: Node | null, path: string): Step | undefined {
  if (isSeq(node)) {
    const match = /^\[(\d+)\]\.?/.exec(path)
    const item = match === null ? undefined : (node.items[Number(match[1])] as Node | undefined)
    if (match === null || item === undefined) return undefined
    return { node: item, offset: item.range?.[0] ?? 0, rest: path.slice(match[0].length) }
  }
  if (!isMap(node)) return undefined
  // A key may itself hold dots (labels do), so the longest key that the path begins with is meant.
  const [best] = node.items
    .map((pair) => ({ pair, key: keyText(pair) }))
    .filter(({ key }) => path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`))
    .toSorted((a, b) => b.key.length - a.key.length)
  if (best === undefined) return undefined
  return {
    node: best.pair.value as Node | null,
    offset: (best.pair.key as Node).range?.[0] ?? 0,
    rest: path.slice(best.key.length).replace(/^\./, ''),
  }
}

function keyText({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : String(key)
}

function resolved({ source }: ManifestDocument, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(source) ?? null) : node
}
