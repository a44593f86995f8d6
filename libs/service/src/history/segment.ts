/** A file of a history: about an hour of frames.
 *
 *     record   length:u32  crc32:u32 of the payload  payload      (both least significant first)
 *     payload  1, then the keys of the series with line ends between them: a table
 *              2, then a frame (frame.ts) of the table before; the first one is told against zeros
 *
 *  A record that was cut off by a crash ends the file; nothing is ever written behind one. */
import { crc32 } from 'node:zlib'
import { ByteReader, ByteWriter } from './bytes.ts'
import { FrameState } from './frame.ts'

const HEAD_BYTES = 8
const TABLE = 1
const FRAME = 2

/** What was told at a time. The values are the reader's own only until the next frame. */
export interface Frame {
  readonly timeMs: number
  readonly keys: readonly string[]
  readonly values: Float64Array
}

/** Turns frames into the bytes to be added to one file. */
export class SegmentWriter {
  #keys: readonly string[] | undefined
  #state = new FrameState(0)
  readonly #writer = new ByteWriter()

  /** The records of one frame: a table, where the series are others than before, and a frame. */
  records(timeMs: number, keys: readonly string[], values: Float64Array): Uint8Array {
    const records: Uint8Array[] = []
    if (this.#keys === undefined || !sameKeys(this.#keys, keys)) {
      records.push(record(TABLE, Buffer.from(keys.join('\n'))))
      this.#state = new FrameState(keys.length)
    }
    this.#keys = keys
    this.#state.encode(timeMs, values, this.#writer)
    records.push(record(FRAME, this.#writer.take()))
    return Buffer.concat(records)
  }
}

/** The frames of a file, in order, as far as it is whole. */
export function* readSegment(file: Uint8Array): Generator<Frame> {
  let keys: readonly string[] = []
  let state: FrameState | undefined
  for (const payload of payloads(file)) {
    const body = payload.subarray(1)
    if (payload[0] === TABLE) {
      const text = Buffer.from(body).toString('utf8')
      keys = text === '' ? [] : text.split('\n')
      state = new FrameState(keys.length)
    } else {
      const timeMs = state?.decode(new ByteReader(body))
      if (state === undefined || timeMs === undefined) return
      yield { timeMs, keys, values: state.values }
    }
  }
}

function record(kind: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + 1 + body.length)
  bytes[HEAD_BYTES] = kind
  bytes.set(body, HEAD_BYTES + 1)
  bytes.writeUInt32LE(body.length + 1, 0)
  bytes.writeUInt32LE(crc32(bytes.subarray(HEAD_BYTES)), 4)
  return bytes
}

function* payloads(file: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  let at = 0
  while (at + HEAD_BYTES <= file.length) {
    const length = view.getUint32(at, true)
    const payload = file.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length)
    if (length === 0 || payload.length < length) return
    if (crc32(payload) !== view.getUint32(at + 4, true)) return
    yield payload
    at += HEAD_BYTES + length
  }
}

function sameKeys(before: readonly string[], now: readonly string[]): boolean {
  return (
    before === now || (before.length === now.length && before.every((key, i) => key === now[i]))
  )
}
