import type { ContentStatus, InstallMediaStatus, SpecOf } from '@purlin/schema'
import type { MediaDesk } from '../life/ports.ts'

/** A kind whose resources have a file of their own. */
export type ContentKind = 'InstallMedia' | 'Image'

/** The resources whose files are wanted, by name. */
export interface WantedContents {
  readonly media: ReadonlyMap<string, SpecOf<'InstallMedia'>>
  readonly images: ReadonlyMap<string, SpecOf<'Image'>>
}

/** An upload, or the rest of one: `offset` is what is here already, 0 begins anew. */
export interface Upload {
  readonly offset: number
  /** Of the whole file. */
  readonly sizeBytes: number
  readonly body: AsyncIterable<Uint8Array>
  readonly signal?: AbortSignal
}

/** The files of media and images. `readyMedium` and `readyImage` wait for a fetch, an upload and an
 *  extraction; where the signal ends before, they say what was missing. Errors:
 *  PUR_RESOURCE_MISSING, PUR_MEDIA_*. */
export interface ContentStore extends MediaDesk {
  /** Follows the resources: addresses are fetched, checked and extracted; what no resource names
   *  any more goes. Returns at once, never throws. */
  want(contents: WantedContents): void
  /** Takes a file that a person sends; answers when the stream ended. Whole: it is checked, and
   *  extraction goes on behind the answer. Cut off: the part stays and `bytes` says how much.
   *  Errors: PUR_RESOURCE_MISSING, PUR_MEDIA_BUSY, PUR_MEDIA_OFFSET, PUR_MEDIA_CHECKSUM,
   *  PUR_MEDIA_SPACE. */
  upload(kind: ContentKind, name: string, upload: Upload): Promise<ContentStatus>
  /** For the resource’s status. */
  status(kind: ContentKind, name: string): ContentStatus
  tree(name: string): InstallMediaStatus['tree']
  /** Ends what is under way; parts stay, to be gone on with. */
  close(): Promise<void>
}
