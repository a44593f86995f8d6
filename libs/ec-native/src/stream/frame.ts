import { crc32c } from '../checksum.ts'
import { readShardIdentity, type ShardIdentity, writeShardIdentity } from '../shard-identity.ts'

/** A frame is this many bytes of head, then the shard's bytes of one stripe. */
export const FRAME_HEAD_BYTES = 64

/** The most bytes of a shard in one frame. A length beyond it is never believed, so damaged or
 *  hostile input cannot make a reader ask for more memory. */
export const FRAME_PAYLOAD_LIMIT_BYTES = 64 * 1024 * 1024

const MAGIC = Buffer.from('PECF', 'latin1')
const VERSION = 1
const LAST = 1
const IDENTITY_AT = 5
const PAYLOAD_CRC_AT = 56
const HEAD_CRC_AT = 60

/** Layout of a frame's head, little-endian:
 *
 *  | at | bytes | what |
 *  | -: | -: | --- |
 *  | 0 | 4 | `PECF` |
 *  | 4 | 1 | version, 1 |
 *  | 5 | 1 | technique: 0 `reed_sol_van`, 1 `cauchy` |
 *  | 6 | 1 | data shards |
 *  | 7 | 1 | parity shards |
 *  | 8 | 1 | the shard's index in its stripe |
 *  | 9 | 1 | bit 0: this stripe is the last one |
 *  | 10 | 2 | 0 |
 *  | 12 | 4 | bytes of the shard in this frame |
 *  | 16 | 8 | number of the stripe, from 0 |
 *  | 24 | 8 | bytes of data in the stripe; what is left of its data shards is zeros |
 *  | 32 | 16 | the encoding's random id |
 *  | 48 | 8 | 0 |
 *  | 56 | 4 | CRC-32C of the shard's bytes |
 *  | 60 | 4 | CRC-32C of bytes 0 to 59 |
 */
export interface FrameHead extends ShardIdentity {
  /** The stripe's number, from 0. */
  readonly stripe: number
  /** Bytes of the shard in this frame. */
  readonly payloadBytes: number
  /** Bytes of data in the stripe, 0 to `dataShards * payloadBytes`. */
  readonly stripeDataBytes: number
  /** Whether no stripe follows. */
  readonly last: boolean
}

/** A head that was read, with the checksum its payload must have. */
export interface ReadHead extends FrameHead {
  readonly payloadCrc: number
}

/** Writes the head of a frame in front of `payload` into `target`, which has 64 bytes. */
export function writeFrameHead(target: Uint8Array, head: FrameHead, payload: Uint8Array): void {
  const bytes = Buffer.from(target.buffer, target.byteOffset, FRAME_HEAD_BYTES)
  bytes.fill(0)
  MAGIC.copy(bytes, 0)
  bytes[4] = VERSION
  writeShardIdentity(bytes, IDENTITY_AT, head)
  bytes[9] = head.last ? LAST : 0
  bytes.writeUInt32LE(head.payloadBytes, 12)
  bytes.writeBigUInt64LE(BigInt(head.stripe), 16)
  bytes.writeBigUInt64LE(BigInt(head.stripeDataBytes), 24)
  bytes.writeUInt32LE(crc32c(payload), PAYLOAD_CRC_AT)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, HEAD_CRC_AT)), HEAD_CRC_AT)
}

/** The head in the first 64 bytes of `source`, or undefined where there is none: other bytes, a
 *  wrong checksum, or values that no encoder writes. */
export function readFrameHead(source: Uint8Array): ReadHead | undefined {
  if (source.length < FRAME_HEAD_BYTES) return undefined
  const bytes = Buffer.from(source.buffer, source.byteOffset, FRAME_HEAD_BYTES)
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC) || bytes[4] !== VERSION) return undefined
  if (bytes.readUInt32LE(HEAD_CRC_AT) !== crc32c(bytes.subarray(0, HEAD_CRC_AT))) return undefined
  const identity = readShardIdentity(bytes, IDENTITY_AT)
  const payloadBytes = bytes.readUInt32LE(12)
  const stripe = Number(bytes.readBigUInt64LE(16))
  const stripeDataBytes = Number(bytes.readBigUInt64LE(24))
  const inRange =
    identity !== undefined &&
    payloadBytes <= FRAME_PAYLOAD_LIMIT_BYTES &&
    Number.isSafeInteger(stripe) &&
    stripeDataBytes <= identity.dataShards * payloadBytes
  if (!inRange) return undefined
  return {
    ...identity,
    payloadBytes,
    stripe,
    stripeDataBytes,
    last: (bytes.readUInt8(9) & LAST) !== 0,
    payloadCrc: bytes.readUInt32LE(PAYLOAD_CRC_AT),
  }
}

/** Where the next head may begin in `bytes` from `from` on; as far as can be told at the end. */
export function findFrameHead(bytes: Uint8Array, from: number): number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = view.indexOf(MAGIC, from)
  return found >= 0 ? found : Math.max(from, bytes.length - MAGIC.length + 1)
}

/** Whether two heads may stand in one stripe. */
export function sameEncoding(one: FrameHead, other: FrameHead): boolean {
  return (
    one.encodingId === other.encodingId &&
    one.technique === other.technique &&
    one.dataShards === other.dataShards &&
    one.parityShards === other.parityShards
  )
}
