import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeWhole } from '@purlin/service'
import type { ContentKind } from './content.ts'
import type { ExtractedTree } from './extract.ts'

/** What is known of a file that came whole; beside the file, so that a restart goes on with it. */
export interface ContentRecord {
  readonly kind: ContentKind
  readonly name: string
  /** What of the resource decides its content. */
  readonly key: string
  readonly sha256: string
  readonly sizeBytes: number
  readonly tree?: ExtractedTree
}

/** Paths of the store. Files are named by their SHA-256, so that two resources share one. */
export interface Places {
  readonly file: (sha256: string) => string
  readonly part: (kind: ContentKind, name: string) => string
  readonly tree: (name: string) => string
  readonly record: (kind: ContentKind, name: string) => string
}

/** Makes the folders. */
export async function makePlaces(folder: string): Promise<Places> {
  for (const below of ['files', 'parts', 'trees', 'records']) {
    await mkdir(join(folder, below), { recursive: true, mode: 0o750 })
  }
  return {
    file: (sha256) => join(folder, 'files', sha256),
    part: (kind, name) => join(folder, 'parts', `${kind}.${name}`),
    tree: (name) => join(folder, 'trees', name),
    record: (kind, name) => join(folder, 'records', `${kind}.${name}.json`),
  }
}

/** All records; one that cannot be read is as if its file had never come. */
export async function readRecords(folder: string): Promise<readonly ContentRecord[]> {
  const records: ContentRecord[] = []
  for (const name of await readdir(join(folder, 'records'))) {
    const text = await readFile(join(folder, 'records', name), 'utf8')
    const record = recordIn(text)
    if (record !== undefined) records.push(record)
  }
  return records
}

/** Writes a record, whole or not at all. */
export async function writeRecord(places: Places, record: ContentRecord): Promise<void> {
  await writeWhole(places.record(record.kind, record.name), `${JSON.stringify(record)}\n`)
}

/** Removes what is of one resource alone: its record, its part, its tree. */
export async function removeOwn(places: Places, kind: ContentKind, name: string): Promise<void> {
  await rm(places.record(kind, name), { force: true })
  await rm(places.part(kind, name), { force: true })
  if (kind === 'Image') return
  await rm(places.tree(name), { recursive: true, force: true })
  await rm(`${places.tree(name)}.new`, { recursive: true, force: true })
}

/** Removes parts of files that nobody wants any more: their resources went between two runs. */
export async function sweepParts(
  folder: string,
  isWanted: (kindAndName: string) => boolean,
): Promise<void> {
  for (const name of await readdir(join(folder, 'parts'))) {
    if (!isWanted(name.replace('.', '/'))) await rm(join(folder, 'parts', name), { force: true })
  }
}

/** Removes what an interrupted run left: files and trees that no record names. */
export async function sweep(folder: string, records: Iterable<ContentRecord>): Promise<void> {
  const files = new Set<string>()
  const trees = new Set<string>()
  for (const { sha256, name, tree } of records) {
    files.add(sha256)
    if (tree !== undefined) trees.add(name)
  }
  for (const [below, kept] of [['files', files] as const, ['trees', trees] as const]) {
    for (const name of await readdir(join(folder, below))) {
      if (!kept.has(name)) await rm(join(folder, below, name), { recursive: true, force: true })
    }
  }
}

function recordIn(text: string): ContentRecord | undefined {
  try {
    const record = JSON.parse(text) as ContentRecord
    return typeof record.sha256 === 'string' && typeof record.name === 'string' ? record : undefined
  } catch {
    return undefined
  }
}
