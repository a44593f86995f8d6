import { type Shape, type Technique, techniques } from './shape.ts'

/** Which shard of which encoding something holds: what frames and shard files both begin with. */
export interface ShardIdentity extends Shape {
  readonly technique: Technique
  /** 32 hexadecimal digits, random for each encoding: parts of two encodings are never mixed. */
  readonly encodingId: string
  /** The shard's index: data shards first. */
  readonly shard: number
}

const ID_AT = 32
const ID_BYTES = 16

/** Writes the identity into a head of 64 bytes: from `at` on a byte each for technique (0
 *  `reed_sol_van`, 1 `cauchy`), data shards, parity shards and the shard's index; the encoding's id
 *  in the bytes 32 to 47. */
export function writeShardIdentity(bytes: Buffer, at: number, identity: ShardIdentity): void {
  bytes[at] = techniques.indexOf(identity.technique)
  bytes[at + 1] = identity.dataShards
  bytes[at + 2] = identity.parityShards
  bytes[at + 3] = identity.shard
  bytes.write(identity.encodingId, ID_AT, ID_BYTES, 'hex')
}

/** The identity that `writeShardIdentity` wrote, or undefined where no encoder writes such values.
 *  Pure. */
export function readShardIdentity(bytes: Buffer, at: number): ShardIdentity | undefined {
  const technique = techniques[bytes.readUInt8(at)]
  const dataShards = bytes.readUInt8(at + 1)
  const parityShards = bytes.readUInt8(at + 2)
  const shard = bytes.readUInt8(at + 3)
  const total = dataShards + parityShards
  if (technique === undefined || dataShards === 0 || parityShards === 0) return undefined
  if (total > 256 || shard >= total) return undefined
  const encodingId = bytes.toString('hex', ID_AT, ID_AT + ID_BYTES)
  return { technique, dataShards, parityShards, shard, encodingId }
}
