import { type Document, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import type { LocatedProblem } from './problems.ts'

/** One document of a manifest with its place in the text. */
export interface ManifestDocument {
  /** As parsed: mappings are plain objects. */
  readonly value: unknown
  /** The document's own node of the syntax tree, for `locate`. */
  readonly node: Node | null
  /** The YAML document it is part of: aliases are looked up there. */
  readonly source: Document
  readonly lines: LineCounter
}

/** A manifest as read from a file. */
export interface ReadManifest {
  readonly fileName: string
  /** The documents that could be read; a problem's `document` counts them from 0. */
  readonly documents: readonly ManifestDocument[]
  /** What is wrong with the text itself. */
  readonly problems: readonly LocatedProblem[]
}

const TEXT_LIMIT_CHARACTERS = 16 * 1024 * 1024
const ALIAS_LIMIT = 100

/** Reads a manifest in YAML 1.2 or JSON. Empty documents are left out. A list at the top stands for
 *  its items, so that a JSON file can carry several documents. Errors in the text become problems
 *  with their line; a document that has one is left out, the others are still read. Pure. */
export function readManifest(text: string, fileName: string): ReadManifest {
  const refuse = (message: string): ReadManifest => ({
    fileName,
    documents: [],
    problems: [{ line: 1, path: '', message }],
  })
  if (text.length > TEXT_LIMIT_CHARACTERS) {
    return refuse(`is longer than ${TEXT_LIMIT_CHARACTERS} characters; cut it into several files`)
  }
  const lines = new LineCounter()
  let sources: readonly Document[]
  try {
    const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
    sources = Array.isArray(parsed) ? parsed : []
  } catch (thrown) {
    return refuse(`cannot be read: ${sentenceOf(thrown)}`)
  }
  const documents: ManifestDocument[] = []
  const problems: LocatedProblem[] = []
  for (const source of sources) {
    const faults = [...source.errors, ...source.warnings]
    const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line || 1
    if (faults.length > 0) {
      problems.push(
        ...faults.map((fault) => ({
          line: lineAt(fault.pos[0]),
          path: '',
          message: `not YAML: ${fault.message}`,
        })),
      )
      continue
    }
    try {
      const value: unknown = source.toJS({ maxAliasCount: ALIAS_LIMIT })
      if (value === null || value === undefined) continue
      documents.push(...documentsOf(source, value, lines))
    } catch (thrown) {
      const line = lineAt(source.contents?.range?.[0])
      problems.push({ line, path: '', message: `cannot be read: ${sentenceOf(thrown)}` })
    }
  }
  if (documents.length === 0 && problems.length === 0) return refuse('holds no document')
  return { fileName, documents, problems }
}

function documentsOf(source: Document, value: unknown, lines: LineCounter): ManifestDocument[] {
  const { contents } = source
  if (Array.isArray(value) && isSeq<Node>(contents)) {
    return value.map((item, index) => ({
      value: item,
      node: contents.items[index] ?? null,
      source,
      lines,
    }))
  }
  return [{ value, node: contents as Node | null, source, lines }]
}

function sentenceOf(thrown: unknown): string {
  // The parser recurses once a level, so a text of a hundred thousand brackets ends here.
  if (thrown instanceof RangeError) return 'is nested too deeply'
  return thrown instanceof Error ? thrown.message : String(thrown)
}
