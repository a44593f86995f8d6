import { crc32c } from '../checksum.ts'
import type { Shape, Technique } from '../shape.ts'
import { readShardIdentity, writeShardIdentity } from '../shard-identity.ts'

/** A shard file begins with this many bytes of header; frames follow. */
export const FILE_HEADER_BYTES = 64

const MAGIC = Buffer.from('PURLINEC', 'latin1')
const VERSION = 1
const IDENTITY_AT = 9
const CRC_AT = 60

/** Layout of a shard file's header, little-endian:
 *
 *  | at | bytes | what |
 *  | -: | -: | --- |
 *  | 0 | 8 | `PURLINEC` |
 *  | 8 | 1 | version, 1 |
 *  | 9 | 1 | technique: 0 `reed_sol_van`, 1 `cauchy` |
 *  | 10 | 1 | data shards |
 *  | 11 | 1 | parity shards |
 *  | 12 | 1 | the shard's index |
 *  | 13 | 3 | 0 |
 *  | 16 | 4 | bytes of a shard in a stripe |
 *  | 20 | 4 | 0 |
 *  | 24 | 8 | bytes of the file that was encoded |
 *  | 32 | 16 | the encoding's random id |
 *  | 48 | 12 | 0 |
 *  | 60 | 4 | CRC-32C of bytes 0 to 59 |
 */
export interface FileHeader extends EncodedFile {
  /** The shard's index: data shards first. */
  readonly shard: number
}

/** What all shard files of one encoding have in common. */
export interface EncodedFile extends Shape {
  readonly technique: Technique
  /** 32 hexadecimal digits, random for each encoding. */
  readonly encodingId: string
  /** Bytes of a shard in a stripe; those of the last stripe are as short as its data allows. */
  readonly shardBytes: number
  /** Bytes of the file that was encoded. */
  readonly fileBytes: number
}

/** The header's 64 bytes. Pure. */
export function writeFileHeader(header: FileHeader): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES)
  MAGIC.copy(bytes, 0)
  bytes[8] = VERSION
  writeShardIdentity(bytes, IDENTITY_AT, header)
  bytes.writeUInt32LE(header.shardBytes, 16)
  bytes.writeBigUInt64LE(BigInt(header.fileBytes), 24)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, CRC_AT)), CRC_AT)
  return bytes
}

/** The header in the first 64 bytes of a file, or what is wrong with them. Pure. */
export function readFileHeader(bytes: Buffer): FileHeader | { readonly wrong: string } {
  if (bytes.length < FILE_HEADER_BYTES) {
    return { wrong: `it ends after ${bytes.length} bytes, inside its header` }
  }
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return { wrong: 'it is no shard file' }
  if (bytes.readUInt32LE(CRC_AT) !== crc32c(bytes.subarray(0, CRC_AT))) {
    return { wrong: 'its header is rotten: the checksum differs' }
  }
  if (bytes[8] !== VERSION) return { wrong: `its version is ${bytes[8]} and not ${VERSION}` }
  const identity = readShardIdentity(bytes, IDENTITY_AT)
  const shardBytes = bytes.readUInt32LE(16)
  const fileBytes = Number(bytes.readBigUInt64LE(24))
  const inRange = shardBytes > 0 && shardBytes <= SHARD_BYTES_MAX && Number.isSafeInteger(fileBytes)
  if (identity === undefined || !inRange) {
    return { wrong: 'its header holds values that no encoder writes' }
  }
  return { ...identity, shardBytes, fileBytes }
}

/** The most bytes of a shard in a stripe: a stripe lies in memory as a whole. */
export const SHARD_BYTES_MAX = 64 * 1024 * 1024
