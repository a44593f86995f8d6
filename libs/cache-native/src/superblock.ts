import { PurlinError } from '@purlin/base'
import { type CacheFailure, cacheAddon } from './addon.ts'

/** What the superblock of an SSD cache says. Its bytes are drawn in
 *  `crates/cache-core/src/layout.rs`. */
export interface SuperblockFields {
  /** UUID of the cache, in the usual text form. */
  readonly cacheId: string
  /** The number of the change, 0 to 2^64 - 1; each change has a higher one. */
  readonly generation: bigint
  /** A multiple of 4096 that holds the superblock and one line. */
  readonly deviceSizeBytes: bigint
  /** A power of two from 4096 to 1,048,576. */
  readonly lineSizeBytes: number
}

export interface DecodedSuperblock extends SuperblockFields {
  /** The copy that cannot be used and should be written again; null when both are whole. */
  readonly damagedCopy: 'first' | 'second' | null
}

/** The superblock's region: both copies, 8192 bytes for the start of the device.
 *  Errors: PUR_CACHE_INVALID for a field out of its range, PUR_NATIVE_MISSING. */
export function encodeSuperblock(fields: SuperblockFields): Uint8Array {
  const { cacheId, generation, deviceSizeBytes, lineSizeBytes } = fields
  if (!Number.isInteger(lineSizeBytes) || lineSizeBytes < 0 || lineSizeBytes > 0xffff_ffff) {
    throw new PurlinError('PUR_CACHE_INVALID', {
      message: `lineSizeBytes is ${lineSizeBytes} and must be a power of two from 4096 to 1048576`,
    })
  }
  const native = { cacheId, generation, deviceSizeBytes, lineSizeBytes }
  const outcome = cacheAddon().encodeSuperblock(native)
  if ('code' in outcome) throw toError(outcome)
  return outcome
}

/** Reads the region: the whole copy with the higher generation.
 *  Errors: PUR_CACHE_INVALID unless it is 8192 bytes, PUR_CACHE_VERSION when a newer version
 *  wrote it, PUR_CACHE_SUPERBLOCK_LOST (the sentence says what is wrong with each copy),
 *  PUR_NATIVE_MISSING. */
export function decodeSuperblock(region: Uint8Array): DecodedSuperblock {
  if (region.buffer instanceof SharedArrayBuffer) {
    throw new PurlinError('PUR_CACHE_INVALID', {
      message: 'the superblock lies in memory shared with other threads; give a copy',
    })
  }
  const outcome = cacheAddon().decodeSuperblock(region)
  if ('code' in outcome) throw toError(outcome)
  return { ...outcome.fields, damagedCopy: outcome.damagedCopy ?? null }
}

function toError({ code, message }: CacheFailure): PurlinError {
  return new PurlinError(code, { message })
}
