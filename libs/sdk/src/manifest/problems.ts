import type { Problem } from '@purlin/base'
import { locate } from './locate.ts'
import type { ReadManifest } from './read.ts'

/** A problem with its line (from 1) in the file. */
export interface LocatedProblem {
  readonly line: number
  /** Empty: the document or file as a whole. */
  readonly path: string
  readonly message: string
}

/** Finds the lines of problems, whose `document` counts the manifest's documents from 0, and sets
 *  them in the order of the text; one that is there twice is kept once. Pure. */
export function locateProblems(
  manifest: ReadManifest,
  problems: readonly Problem[],
): readonly LocatedProblem[] {
  const located = problems.map(({ document: index = 0, path, message }): LocatedProblem => {
    const document = manifest.documents[index]
    return { line: document === undefined ? 1 : locate(document, path), path, message }
  })
  const unique = new Map(
    [...manifest.problems, ...located].map((problem) => [JSON.stringify(problem), problem]),
  )
  return [...unique.values()].toSorted((a, b) => a.line - b.line)
}

/** One line a problem, `FILE:LINE: path: what`; a problem of a whole document has the path
 *  `document`. Pure. */
export function formatProblems(
  fileName: string,
  problems: readonly LocatedProblem[],
): readonly string[] {
  return problems.map(({ line, path, message }) => {
    const what = message.replaceAll(/\s*\n\s*/g, ' ')
    return `${fileName}:${line}: ${path === '' ? 'document' : path}: ${what}`
  })
}
