import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type Problem, PurlinError } from '@purlin/base'
import { checkDocument, filesOf, uploadOf } from '@purlin/schema'

/** A file that is uploaded after the documents were applied. */
export interface PendingUpload {
  readonly kind: 'InstallMedia' | 'Image'
  readonly name: string
  /** Absolute path. */
  readonly file: string
  /** Which document names it, and where in it. */
  readonly document: number
  readonly path: string
}

/** What belongs to the documents of a manifest beside its text. */
export interface ManifestFiles {
  /** Text by the path as written. */
  readonly files: Readonly<Record<string, string>>
  readonly uploads: readonly PendingUpload[]
}

const FILE_LIMIT_BYTES = 1_048_576

/** Reads the files that documents name, relative to `folder`: password files, hashes, keys,
 *  scripts, certificates. ISOs and images are only named. Documents that do not fit their schema
 *  are passed over. Errors: PUR_INVALID with a problem for each file that cannot be read. */
export async function readManifestFiles(
  documents: readonly unknown[],
  folder: string,
): Promise<ManifestFiles> {
  const files: Record<string, string> = {}
  const uploads: PendingUpload[] = []
  const problems: Problem[] = []
  for (const [index, document] of documents.entries()) {
    const { manifest } = checkDocument(document)
    if (manifest === undefined) continue
    for (const { path, file } of filesOf(manifest)) {
      const text = await readText(resolve(folder, file))
      if (typeof text === 'string') files[file] = text
      else problems.push({ document: index, path, message: `${file}: ${text.message}` })
    }
    const upload = uploadOf(manifest)
    if (upload === undefined) continue
    const { kind, name } = manifest
    if (kind === 'InstallMedia' || kind === 'Image') {
      const file = resolve(folder, upload.file)
      uploads.push({ kind, name, file, document: index, path: upload.path })
    }
  }
  if (problems.length === 0) return { files, uploads }
  const listed = problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
  throw new PurlinError('PUR_INVALID', { message: listed, problems })
}

/** Where the files of a manifest lie. Pure. */
export function folderOfManifest(fileName: string): string {
  return fileName === 'stdin' ? '.' : dirname(fileName)
}

async function readText(file: string): Promise<string | { readonly message: string }> {
  try {
    const bytes = await readFile(file)
    if (bytes.length > FILE_LIMIT_BYTES) return { message: 'is larger than 1 MiB' }
    return bytes.toString('utf8')
  } catch (thrown) {
    const found = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
    return { message: found === 'ENOENT' ? 'there is no such file' : `cannot be read (${found})` }
  }
}
