import { rm } from 'node:fs/promises'
import { type Clock, PurlinError, type Run, run, systemClock } from '@purlin/base'
import type { ReadyImage, ReadyMedium } from '../life/ports.ts'
import type { ContentKind, ContentStore } from './content.ts'
import { ContentFile, type ContentSpec } from './content-file.ts'
import type { ExtractedTree } from './extract.ts'
import type { Fetch } from './fetch-file.ts'
import { Gate } from './gate.ts'
import {
  type ContentRecord,
  makePlaces,
  readRecords,
  removeOwn,
  sweep,
  sweepParts,
} from './places.ts'
import { freeBytesOf } from './receive.ts'

/** What the store stands on. */
export interface ContentGrounds {
  /** Its own folder, on the file system that has room. */
  readonly folder: string
  /** Called when a status changed; while bytes come, once a second. */
  readonly changed: (kind: ContentKind, name: string) => void
  readonly clock?: Clock
  readonly run?: Run
  readonly fetch?: Fetch
  readonly freeBytes?: (folder: string) => Promise<number>
}

/** What each file works with. */
export interface StoreSeams extends Required<Omit<ContentGrounds, 'folder'>> {
  /** Fetches, checks and extractions at once: a disk has one head, or feels like it. */
  readonly gate: Gate
  /** Removes a file unless a resource still has it. */
  readonly drop: (sha256: string) => Promise<void>
}

const WORK_AT_ONCE = 2

/** Opens the store: what a former run kept is checked again once it is wanted. */
export async function createContentStore(grounds: ContentGrounds): Promise<ContentStore> {
  const { folder } = grounds
  const places = await makePlaces(folder)
  const kept = new Map<string, ContentRecord>()
  for (const record of await readRecords(folder)) kept.set(idOf(record), record)
  await sweep(folder, kept.values())

  const contents = new Map<string, ContentFile>()
  const removals = new Map<string, Promise<void>>()
  let first = true
  const drop = async (sha256: string): Promise<void> => {
    const inUse = [...contents.values()].some((one) => one.uses(sha256))
    const waits = [...kept.values()].some((record) => record.sha256 === sha256)
    if (!inUse && !waits) await rm(places.file(sha256), { force: true })
  }
  const seams: StoreSeams = {
    changed: grounds.changed,
    clock: grounds.clock ?? systemClock,
    run: grounds.run ?? run,
    fetch: grounds.fetch ?? fetch,
    freeBytes: grounds.freeBytes ?? freeBytesOf,
    gate: new Gate(WORK_AT_ONCE),
    drop,
  }

  /** What must be done with the files of `id` before they are begun anew. */
  const follow = (id: string, work: () => Promise<void>): void => {
    // What stays in spite of it is swept at the next start.
    const job = work().catch(() => {})
    removals.set(id, job)
    void job.then(() => removals.get(id) === job && removals.delete(id))
  }
  const remove = (id: string, content: ContentFile): void => {
    contents.delete(id)
    const sha256 = content.record?.sha256
    follow(id, async () => {
      await content.remove()
      if (sha256 !== undefined) await drop(sha256)
    })
  }
  const add = (id: string, of: ContentSpec): void => {
    const record = kept.get(id)
    kept.delete(id)
    const content = new ContentFile(of, record, places, seams)
    contents.set(id, content)
    if (record !== undefined && content.record === undefined) {
      follow(id, async () => {
        await removeOwn(places, of.kind, of.name)
        await drop(record.sha256)
      })
    }
    const before = removals.get(id)
    if (before === undefined) content.begin()
    else void before.then(() => content.begin())
  }
  const find = (kind: ContentKind, name: string): ContentFile => {
    const content = contents.get(idOf({ kind, name }))
    if (content !== undefined) return content
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
  }

  return {
    want: ({ media, images }) => {
      const wanted = new Map<string, ContentSpec>()
      for (const [name, spec] of media) {
        wanted.set(`InstallMedia/${name}`, { kind: 'InstallMedia', name, spec })
      }
      for (const [name, spec] of images) wanted.set(`Image/${name}`, { kind: 'Image', name, spec })
      for (const [id, content] of [...contents]) {
        const of = wanted.get(id)
        if (of === undefined || !content.adopt(of)) remove(id, content)
      }
      for (const [id, of] of wanted) if (!contents.has(id)) add(id, of)
      if (first) {
        first = false
        follow('parts', () => sweepParts(folder, (id) => contents.has(id)))
      }
      // Kept by a former run, and named by nothing now.
      for (const [id, record] of [...kept]) {
        kept.delete(id)
        const { kind, name, sha256 } = record
        follow(id, async () => {
          await removeOwn(places, kind, name)
          await drop(sha256)
        })
      }
    },
    readyMedium: async (name, signal) => {
      const { tree } = await find('InstallMedia', name).ready(signal)
      if (tree === undefined) throw new Error(`medium ${name} is ready and has no tree`)
      return mediumOf(name, tree)
    },
    readyImage: async (name, signal) => {
      const content = find('Image', name)
      const { sha256 } = await content.ready(signal)
      return imageOf(content.of, sha256)
    },
    placeOf: ({ tree, name }) => {
      const kind = tree === 'media' ? 'InstallMedia' : 'Image'
      const record = contents.get(idOf({ kind, name }))?.record
      if (record === undefined) return undefined
      if (tree === 'image') return places.file(record.sha256)
      return record.tree === undefined ? undefined : places.tree(name)
    },
    upload: async (kind, name, upload) => await find(kind, name).upload(upload),
    status: (kind, name) => find(kind, name).status,
    tree: (name) => {
      const content = contents.get(idOf({ kind: 'InstallMedia', name }))
      const tree = content?.record?.tree
      if (tree === undefined) return undefined
      const { target, kernel, initrd, files, sizeBytes } = tree
      const family = target.slice(0, target.indexOf('-'))
      return { family, target, kernel, initrd, files, sizeBytes }
    },
    close: async () => {
      await Promise.all([...contents.values()].map((one) => one.close()))
      await Promise.all(removals.values())
    },
  }
}

function idOf({ kind, name }: { readonly kind: ContentKind; readonly name: string }): string {
  return `${kind}/${name}`
}

function mediumOf(name: string, tree: ExtractedTree): ReadyMedium {
  const base = `/media/${name}`
  return {
    name,
    target: tree.target,
    kernel: `${base}/${tree.kernel}`,
    initrds: [`${base}/${tree.initrd}`],
    tree: base,
    ...(tree.stage !== undefined && { stage: `${base}/${tree.stage}` }),
  }
}

function imageOf(of: ContentSpec, sha256: string): ReadyImage {
  if (of.kind !== 'Image') throw new Error(`${of.name} is no image`)
  const { packages, backend } = of.spec
  return { name: of.name, path: `/image/${of.name}`, sha256, packages, backend }
}
