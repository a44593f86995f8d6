import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'

/** A text file of the source tree; `path` is relative to its root. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** What a rule found in one place. `line` counts from 1; absent: the file as a whole. */
export interface Finding {
  readonly path: string
  readonly line?: number
  readonly message: string
}

/** A rule over the whole tree. Pure. */
export interface Rule {
  readonly title: string
  readonly find: (files: readonly SourceFile[]) => readonly Finding[]
}

/** Every text file that belongs to the project: tracked, or new and not ignored. */
export async function readSourceTree(root: string): Promise<readonly SourceFile[]> {
  const words = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const listed = await run('git', words, { timeoutMs: 30_000, workingFolder: root })
  const files = await Promise.all(
    listed.stdout
      .split('\0')
      .filter((path) => path !== '')
      .map(async (path): Promise<SourceFile[]> => {
        const text = await readFile(join(root, path), 'utf8').catch(() => undefined)
        return text === undefined || text.includes('\0') ? [] : [{ path, text }]
      }),
  )
  return files.flat()
}

/** A finding for each line that `says` something about. Pure. */
export function findLines(
  file: SourceFile,
  says: (line: string) => string | undefined,
): readonly Finding[] {
  return file.text.split('\n').flatMap((line, index): Finding[] => {
    const message = says(line)
    return message === undefined ? [] : [{ path: file.path, line: index + 1, message }]
  })
}

/** The ending of a path without its dot; empty where it has none. */
export function endingOf(path: string): string {
  return /\.([^./]+)$/.exec(path)?.[1] ?? ''
}
