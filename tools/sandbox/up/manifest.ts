import { readFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { PurlinError, toPurlinError } from '@purlin/base'
import { checkManifest, type Kind, type Manifest } from '@purlin/schema'
import { formatProblems, locateProblems, readManifest } from '@purlin/sdk'
import { repository } from '../../repository.ts'

const DEFAULT_MANIFEST = 'examples/three-tier.yaml'

/** A manifest that may be applied to an empty sandbox. */
export interface UpManifest {
  readonly fileName: string
  /** As written, for the agent. */
  readonly documents: readonly unknown[]
  readonly manifests: readonly Manifest[]
}

/** A manifest with problems; each is a line `FILE:LINE: path: what`. */
export class ManifestRefused extends Error {
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

/** Reads and checks a manifest whole: nothing but the manifest will be in the sandbox, so every
 *  reference must be met by itself. A relative path is meant from where the caller stands. Errors:
 *  ManifestRefused, PUR_INVALID when the file cannot be read. */
export async function loadManifest(file: string | undefined): Promise<UpManifest> {
  const caller = process.env.PURLIN_CALLER_FOLDER ?? process.cwd()
  const fileName = file ?? DEFAULT_MANIFEST
  const folder = file === undefined ? repository : caller
  const path = isAbsolute(fileName) ? fileName : join(folder, fileName)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new PurlinError('PUR_INVALID', {
      message: `${fileName}: cannot be read: ${toPurlinError(cause).message}`,
      cause,
    })
  })
  const read = readManifest(text, fileName)
  const documents = read.documents.map(({ value }) => value)
  const checked = checkManifest(documents)
  const problems = locateProblems(read, checked.problems)
  if (problems.length > 0 || checked.manifests === undefined) {
    throw new ManifestRefused(formatProblems(fileName, problems))
  }
  return { fileName, documents, manifests: checked.manifests }
}

/** The documents of one kind. */
export function ofKind<K extends Kind>(
  manifests: readonly Manifest[],
  kind: K,
): readonly Manifest<K>[] {
  return manifests.filter(
    (one) => one.kind === kind,
  ) as readonly Manifest[] as readonly Manifest<K>[]
}
