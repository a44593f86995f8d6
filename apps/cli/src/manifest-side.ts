import { existsSync } from 'node:fs'
import type { Problem } from '@purlin/base'
import { type ContentStatus, isBareMetalKind, isHostKind, isKind, type Kind } from '@purlin/schema'
import {
  folderOfManifest,
  type ManifestFiles,
  type PendingUpload,
  type ReadManifest,
  readManifestFiles,
} from '@purlin/sdk'
import type { Cli, Side } from './cli.ts'
import { CommandFailure, exitCodes } from './exit-codes.ts'
import { ByteProgress } from './output/byte-progress.ts'

const DAEMONS: Readonly<Record<Side, string>> = {
  host: 'the host agent',
  'bare-metal': 'purlin-baremetal-pxe',
}

/** The command as it is for a manifest: the daemon that serves all of its kinds. Port groups and
 *  switches are served by both; they go with the others, alone to the host agent. Errors:
 *  CommandFailure (refused) where no daemon serves them all: a manifest is applied all or nothing,
 *  which two daemons cannot do together. */
export function viewOf(cli: Cli, documents: readonly unknown[]): Cli {
  const found = documents.map(kindOf)
  const ofHost = found.findIndex((kind) => kind !== undefined && !isBareMetalKind(kind))
  const ofMetal = found.findIndex((kind) => kind !== undefined && !isHostKind(kind))
  const foreign = cli.side === 'bare-metal' ? ofHost : -1
  if (foreign >= 0) {
    const message = `document ${foreign}: ${found[foreign]} is of ${DAEMONS.host}: purlin apply`
    throw new CommandFailure(message, exitCodes.refused)
  }
  if (ofHost >= 0 && ofMetal >= 0) {
    const two = `${found[ofHost]} is of ${DAEMONS.host}, ${found[ofMetal]} of ${DAEMONS['bare-metal']}`
    throw new CommandFailure(
      `${two}; a manifest is applied all or nothing by one of them: cut it into two files`,
      exitCodes.refused,
    )
  }
  return ofMetal >= 0 ? cli.on('bare-metal') : cli
}

function kindOf(document: unknown): Kind | undefined {
  if (typeof document !== 'object' || document === null || !('kind' in document)) return undefined
  const { kind } = document
  return typeof kind === 'string' && isKind(kind) ? kind : undefined
}

/** The files that documents of bare metal name; undefined where the other daemon is spoken to. */
export async function filesBeside(
  view: Cli,
  { fileName }: ReadManifest,
  documents: readonly unknown[],
): Promise<ManifestFiles | undefined> {
  if (view.side === 'host') return undefined
  return await readManifestFiles(documents, folderOfManifest(fileName))
}

/** Uploads whose files are not here, and which the daemon does not have either. */
export async function missingUploads(
  view: Cli,
  uploads: readonly PendingUpload[],
): Promise<readonly PendingUpload[]> {
  const missing: PendingUpload[] = []
  for (const upload of uploads) {
    if (!existsSync(upload.file) && !isThere(await contentOf(view, upload))) missing.push(upload)
  }
  return missing
}

/** What is told of files that are nowhere. Pure. */
export function uploadProblems(missing: readonly PendingUpload[]): {
  readonly message: string
  readonly problems: readonly Problem[]
} {
  const problems = missing.map(({ file, document, path }) => ({
    document,
    path,
    message: `${file}: there is no such file; bring it, or apply with --no-upload`,
  }))
  return { message: problems.map(({ message }) => message).join('; '), problems }
}

/** Sends the files, with a bar for each. */
export async function sendUploads(view: Cli, uploads: readonly PendingUpload[]): Promise<void> {
  for (const upload of uploads) {
    if (!existsSync(upload.file)) continue
    await withBar(view, `${upload.kind} ${upload.name}`, async (onProgress) => {
      await view.metal.uploadAll([upload], {
        onProgress: (_one, sent, size) => onProgress(sent, size),
      })
    })
  }
}

/** Runs work that tells how many bytes are done. */
export async function withBar<Value>(
  { streams }: Cli,
  title: string,
  work: (onProgress: (doneBytes: number, totalBytes: number) => void) => Promise<Value>,
): Promise<Value> {
  const bar = new ByteProgress(streams.stderr, title)
  try {
    return await work((done, total) => bar.show(done, total))
  } finally {
    bar.clear()
  }
}

async function contentOf(
  { metal }: Cli,
  { kind, name }: PendingUpload,
): Promise<ContentStatus | undefined> {
  const collection = kind === 'Image' ? metal.images : metal.installMedia
  return await collection.content(name).catch(() => undefined)
}

function isThere(content: ContentStatus | undefined): boolean {
  return content?.state === 'ready' || content?.state === 'extracting'
}
