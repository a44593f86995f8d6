import { FRAME_HEAD_BYTES } from '../stream/frame.ts'
import { type EncodedFile, FILE_HEADER_BYTES } from './header.ts'

/** One stripe of an encoded file. */
export interface StripePlace {
  readonly stripe: number
  /** Where its data begins in the file that was encoded. */
  readonly fileOffset: number
  /** Its bytes of data. */
  readonly dataBytes: number
  /** Bytes of each of its shards. */
  readonly payloadBytes: number
  /** Where its frame begins in each shard file. */
  readonly frameOffset: number
  readonly last: boolean
}

/** How many stripes the file has; an empty file has one of no bytes. Pure. */
export function stripeCount({ fileBytes, shardBytes, dataShards }: EncodedFile): number {
  return Math.max(1, Math.ceil(fileBytes / (shardBytes * dataShards)))
}

/** Where stripe `stripe` lies. Pure. */
export function stripePlace(file: EncodedFile, stripe: number): StripePlace {
  const stripeBytes = file.shardBytes * file.dataShards
  const fileOffset = stripe * stripeBytes
  const dataBytes = Math.min(stripeBytes, file.fileBytes - fileOffset)
  return {
    stripe,
    fileOffset,
    dataBytes,
    payloadBytes: Math.ceil(dataBytes / file.dataShards),
    frameOffset: FILE_HEADER_BYTES + stripe * (FRAME_HEAD_BYTES + file.shardBytes),
    last: stripe === stripeCount(file) - 1,
  }
}

/** The length of each whole shard file in bytes. Pure. */
export function shardFileBytes(file: EncodedFile): number {
  const { frameOffset, payloadBytes } = stripePlace(file, stripeCount(file) - 1)
  return frameOffset + FRAME_HEAD_BYTES + payloadBytes
}

/** The usual name of a shard file: `disk.img.shard-03`; the index is as wide as the largest one. */
export function shardFileName(name: string, shard: number, total: number): string {
  return `${name}.shard-${String(shard).padStart(Math.max(2, String(total - 1).length), '0')}`
}

/** What a name of this form says, or undefined for another name. Pure. */
export function readShardFileName(
  name: string,
): { readonly name: string; readonly shard: number } | undefined {
  const match = /^(.+)\.shard-(\d{2,3})$/s.exec(name)
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  return { name: match[1], shard: Number(match[2]) }
}
