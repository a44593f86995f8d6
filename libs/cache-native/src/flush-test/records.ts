import { crc32 } from 'node:zlib'

/** A record is one block; a batch of them is flushed together. */
export const RECORD_BYTES = 4096
export const BATCH_RECORDS = 16
const MAGIC = 'PURLFLSH'
const SESSION_AT = 8
const SEQUENCE_AT = 24
const SLOT_AT = 32
const CHECKSUM_AT = RECORD_BYTES - 4

/** The slots of a batch: scattered, so that a device that keeps the order of its queue by chance is
 *  found out too. Shape: `sequence` from 1; each slot is below `slots`. Pure. */
export function slotsOf(sequence: number, slots: number): readonly number[] {
  const chosen = new Set<number>()
  let state = BigInt(sequence) * 0x9e37_79b9_7f4a_7c15n
  while (chosen.size < Math.min(BATCH_RECORDS, slots)) {
    state = BigInt.asUintN(64, state * 0xbf58_476d_1ce4_e5b9n + 1n)
    chosen.add(Number((state >> 33n) % BigInt(slots)))
  }
  return [...chosen]
}

/** The bytes of a record. Pure. */
export function recordBytes(session: Uint8Array, sequence: number, slot: number): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES, sequence & 0xff)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.set(session, SESSION_AT)
  bytes.writeBigUInt64LE(BigInt(sequence), SEQUENCE_AT)
  bytes.writeBigUInt64LE(BigInt(slot), SLOT_AT)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CHECKSUM_AT)), CHECKSUM_AT)
  return bytes
}

/** The sequence of a whole record of this session in its place; 0 of anything else. Pure. */
export function sequenceOf(bytes: Buffer, session: Uint8Array, slot: number): number {
  const whole =
    bytes.toString('latin1', 0, MAGIC.length) === MAGIC &&
    bytes.readUInt32LE(CHECKSUM_AT) === crc32(bytes.subarray(0, CHECKSUM_AT)) &&
    bytes.subarray(SESSION_AT, SESSION_AT + session.length).equals(session) &&
    bytes.readBigUInt64LE(SLOT_AT) === BigInt(slot)
  return whole ? Number(bytes.readBigUInt64LE(SEQUENCE_AT)) : 0
}

/** The sequence that each slot must have at least, when `acknowledged` batches were. Pure. */
export function leastSequences(acknowledged: number, slots: number): Map<number, number> {
  const least = new Map<number, number>()
  for (let sequence = 1; sequence <= acknowledged; sequence += 1) {
    for (const slot of slotsOf(sequence, slots)) least.set(slot, sequence)
  }
  return least
}
