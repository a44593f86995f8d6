import { ecAddon } from './addon.ts'
import { borrow } from './buffers.ts'
import { requireWhole } from './errors.ts'

const WORD_MAX = 0xffff_ffff

/** The CRC-32C (RFC 3720, Castagnoli) of `bytes`, 0 to 2^32 - 1. With `initial`, the checksum of
 *  what was before, it is that of both together.
 *  Errors: PUR_EC_INVALID. */
export function crc32c(bytes: Uint8Array, initial = 0): number {
  if (initial !== 0) requireWhole('initial', initial, 0, WORD_MAX)
  return ecAddon().crc32c(borrow(bytes, 'bytes'), initial)
}
