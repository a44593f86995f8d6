import { readFile } from 'node:fs/promises'
import { PurlinError } from '@purlin/base'
import type { BareMetalKind } from '@purlin/schema'
import type { ClientTarget } from '../connect/target.ts'
import {
  type ApplyOptions,
  type ClientOptions,
  type DaemonClient,
  daemonOf,
  transportTo,
} from '../daemon.ts'
import { formatProblems } from '../manifest/problems.ts'
import { readManifest } from '../manifest/read.ts'
import type { Collection } from '../resources/collection.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'
import {
  type BareMetalCollections,
  bareMetalCollection,
  bareMetalCollectionsOf,
} from './collections.ts'
import type { UploadOptions } from './contents.ts'
import { folderOfManifest, type PendingUpload, readManifestFiles } from './manifest-files.ts'

/** Where purlin-baremetal-pxe of this host listens unless it was told otherwise. */
export const DEFAULT_BARE_METAL_SOCKET_PATH = '/run/purlin/baremetal-pxe.sock'

export interface UploadsOptions extends Omit<UploadOptions, 'onProgress'> {
  readonly onProgress?: (upload: PendingUpload, sentBytes: number, sizeBytes: number) => void
}

/** Everything the daemon of a deployment network offers. Calls throw PurlinError and nothing
 *  else. */
export interface BareMetalClient extends DaemonClient, BareMetalCollections {
  /** The collection of a kind that is known only at run time. */
  resources<K extends BareMetalKind>(kind: K): Collection<K>
  /** Applies the manifest in a file with what belongs to it: the files that it names are sent
   *  along, ISOs and images of a local path are uploaded before this answers. Paths are relative to
   *  the manifest. Errors: PUR_INVALID with every problem, those of `upload`. */
  applyFile(file: string, options?: ApplyOptions & UploadsOptions): Promise<TaskHandle>
  /** Uploads the files that documents name, one after another. */
  uploadAll(uploads: readonly PendingUpload[], options?: UploadsOptions): Promise<void>
}

/** Makes a client; nothing is sent until the first call. Without a target it speaks to the daemon
 *  of this host through its socket. */
export function createBareMetalClient(
  target: ClientTarget = { socketPath: DEFAULT_BARE_METAL_SOCKET_PATH },
  options: ClientOptions = {},
): BareMetalClient {
  const transport = transportTo(target, options)
  const daemon = daemonOf(transport)
  const collections = bareMetalCollectionsOf(transport)
  const uploadAll: BareMetalClient['uploadAll'] = async (uploads, { onProgress, ...rest } = {}) => {
    for (const upload of uploads) {
      const { kind, name, file } = upload
      const collection = kind === 'Image' ? collections.images : collections.installMedia
      const told = (sent: number, size: number): void => onProgress?.(upload, sent, size)
      await collection.upload(name, file, { ...rest, onProgress: told })
    }
  }
  return {
    ...daemon,
    ...collections,
    resources: (kind) => bareMetalCollection(transport, kind),
    uploadAll,
    applyFile: async (file, { onProgress, ...applyOptions } = {}) => {
      const documents = await documentsIn(file)
      const { files, uploads } = await readManifestFiles(documents, folderOfManifest(file))
      const handle = await daemon.apply(documents, { ...applyOptions, files })
      const { signal } = applyOptions
      await uploadAll(uploads, { ...(signal && { signal }), ...(onProgress && { onProgress }) })
      return handle
    },
  }
}

async function documentsIn(file: string): Promise<readonly unknown[]> {
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new PurlinError('PUR_INVALID', { message: `${file}: ${found}`, cause: thrown })
  })
  const { documents, problems } = readManifest(text, file)
  if (problems.length === 0) return documents.map(({ value }) => value)
  throw new PurlinError('PUR_INVALID', { message: formatProblems(file, problems).join('; ') })
}
