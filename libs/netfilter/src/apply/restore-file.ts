import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { KeptClasses } from '../compile/ruleset.ts'
import { loadScript } from '../target/load-script.ts'
import type { TableObjects } from '../target/statement.ts'

/** What the head of a restore file says about the rule set in force when it was written. */
export interface RestoreHead {
  readonly digest: string
  /** Print of each chain, by `TABLE/NAME`. */
  readonly prints: ReadonlyMap<string, string>
  readonly classes: KeptClasses
}

const DIGEST = '# purlin-digest '
const PRINTS = '# purlin-verified '
const NUMBERS = '# purlin-classes '
const VIEWS = '# purlin-views '

/** Writes the complete loadable rule set in place of the file: after a crash either the old or the
 *  new one is there, never a part. `nft -f FILE` loads it before machines start. */
export async function writeRestoreFile(
  path: string,
  ruleset: TableObjects,
  head: RestoreHead,
): Promise<void> {
  const text = [
    '#!/usr/sbin/nft -f',
    '# The security groups of this host as last enforced. Written by Purlin, read at boot.',
    `${DIGEST}${head.digest}`,
    `${PRINTS}${JSON.stringify(Object.fromEntries(head.prints))}`,
    `${NUMBERS}${JSON.stringify(Object.fromEntries(head.classes.classNumbers))}`,
    `${VIEWS}${JSON.stringify(Object.fromEntries(head.classes.views))}`,
    loadScript(ruleset),
  ].join('\n')
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Reads the head of the file; undefined where there is no file or its head is not ours. */
export async function readRestoreHead(path: string): Promise<RestoreHead | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return undefined
  }
  const lines = text.slice(0, text.indexOf('\nadd ')).split('\n')
  const said = (word: string): string | undefined =>
    lines.find((line) => line.startsWith(word))?.slice(word.length)
  const [digest, prints] = [said(DIGEST), said(PRINTS)]
  if (digest === undefined || prints === undefined) return undefined
  // A file of an earlier release has no classes: they are worked out, and a little is tidied up.
  const classNumbers = entriesOf(said(NUMBERS)).map(([key, one]) => [key, Number(one)] as const)
  const views = entriesOf(said(VIEWS)).map(([key, groups]) => {
    return [key, Array.isArray(groups) ? groups.map(String) : []] as const
  })
  return {
    digest,
    prints: new Map(entriesOf(prints).map(([key, one]) => [key, String(one)])),
    classes: { classNumbers: new Map(classNumbers), views: new Map(views) },
  }
}

function entriesOf(text = '{}'): readonly [string, unknown][] {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : []
  } catch {
    return []
  }
}
