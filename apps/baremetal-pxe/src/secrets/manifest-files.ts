import { createHash } from 'node:crypto'
import { type Problem, PurlinError } from '@purlin/base'
import { filesOf, type Kind, type Manifest } from '@purlin/schema'
import type { Store, Write } from '@purlin/store'
import { markOf, type Sealed, seal, unseal } from './sealed.ts'

/** Texts of files beside a manifest, by the path as it is written there. */
export type SentFiles = Readonly<Record<string, string>>

/** Texts of the files of one resource, by the path as it is written there. */
export type FileTexts = ReadonlyMap<string, string>

const PREFIX = '/manifest-file/'
/** An entry of the store holds 1 MiB, encrypted text and all. */
const FILE_LIMIT_BYTES = 512 * 1024

interface KeptFile extends Sealed {
  readonly file: string
}

/** What becomes of the files of the resources of a change. */
export interface FileChange {
  readonly writes: readonly Write[]
  /** Resources of which a text differs from what was kept. */
  readonly changed: readonly { readonly kind: Kind; readonly name: string }[]
  /** Files that were neither sent nor kept, and those that are too long. */
  readonly problems: readonly Problem[]
  /** Every file's text, by resource; of those that are there. */
  readonly texts: ReadonlyMap<string, FileTexts>
}

/** Files that manifests name, encrypted in the store. Their texts are in no answer and no log. */
export class ManifestFiles {
  readonly #store: Pick<Store, 'list'>
  readonly #key: Uint8Array

  constructor(store: Pick<Store, 'list'>, key: Uint8Array) {
    this.#store = store
    this.#key = key
  }

  /** The files of a resource. Errors: PUR_SECRET_MISSING with the first that never came,
   *  PUR_SECRET_KEY. */
  async read(manifest: Manifest): Promise<FileTexts> {
    const kept = await this.#kept(manifest)
    return new Map(
      filesOf(manifest).map(({ path, file }) => {
        const found = kept.get(file)
        if (found === undefined) {
          const { kind, name } = manifest
          const message = `${kind} ${name}: ${path}: ${file} has never come with a manifest; apply it again with its files`
          throw new PurlinError('PUR_SECRET_MISSING', { message })
        }
        return [file, unseal(this.#key, placeOf(manifest, file), found)]
      }),
    )
  }

  /** What keeping the files of these documents writes: those that were sent, and of the others what
   *  is kept already. */
  async plan(manifests: readonly Manifest[], sent: SentFiles): Promise<FileChange> {
    const writes: Write[] = []
    const changed: { kind: Kind; name: string }[] = []
    const problems: Problem[] = []
    const texts = new Map<string, FileTexts>()
    for (const [document, manifest] of manifests.entries()) {
      const kept = await this.#kept(manifest)
      const own = new Map<string, string>()
      const named = filesOf(manifest)
      let differs = false
      for (const { path, file } of named) {
        const text = Object.hasOwn(sent, file) ? sent[file] : undefined
        const before = kept.get(file)
        const place = placeOf(manifest, file)
        if (text === undefined && before === undefined) {
          const message = `${file} did not come with the manifest and is not known from before; send its text in files`
          problems.push({ document, path, message })
        } else if (text === undefined) {
          if (before) own.set(file, unseal(this.#key, place, before))
        } else if (Buffer.byteLength(text) > FILE_LIMIT_BYTES) {
          const message = `${file} is longer than ${FILE_LIMIT_BYTES} bytes`
          problems.push({ document, path, message })
        } else {
          own.set(file, text)
          if (before?.mark === markOf(this.#key, place, text)) continue
          differs = true
          if (!writes.some((write) => 'put' in write && write.put === place)) {
            writes.push({ put: place, value: { file, ...seal(this.#key, place, text) } })
          }
        }
      }
      for (const file of kept.keys()) {
        if (named.some((one) => one.file === file)) continue
        writes.push({ delete: placeOf(manifest, file) })
      }
      if (differs) changed.push({ kind: manifest.kind, name: manifest.name })
      texts.set(`${manifest.kind}/${manifest.name}`, own)
    }
    return { writes, changed, problems, texts }
  }

  /** What forgetting the files of a resource writes. */
  async forget(manifest: Pick<Manifest, 'kind' | 'name'>): Promise<readonly Write[]> {
    const { entries } = await this.#store.list(prefixOf(manifest))
    return entries.map(({ key }) => ({ delete: key }))
  }

  async #kept(manifest: Pick<Manifest, 'kind' | 'name'>): Promise<ReadonlyMap<string, KeptFile>> {
    const { entries } = await this.#store.list(prefixOf(manifest))
    return new Map(
      entries.map(({ value }) => {
        const kept = value as KeptFile
        return [kept.file, kept]
      }),
    )
  }
}

function prefixOf({ kind, name }: Pick<Manifest, 'kind' | 'name'>): string {
  return `${PREFIX}${kind}/${name}/`
}

/** Paths are of any text, keys are not. */
function placeOf(manifest: Pick<Manifest, 'kind' | 'name'>, file: string): string {
  return `${prefixOf(manifest)}${createHash('sha256').update(file).digest('hex').slice(0, 32)}`
}
