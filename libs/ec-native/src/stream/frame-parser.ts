import { crc32c } from '../checksum.ts'
import { FRAME_HEAD_BYTES, findFrameHead, type ReadHead, readFrameHead } from './frame.ts'

/** A frame found in the bytes; `good` tells whether its payload has the checksum of its head. */
export interface ParsedFrame {
  readonly head: ReadHead
  readonly payload: Uint8Array
  readonly good: boolean
}

/** Cuts bytes in any chunking into frames. Bytes that are no frame are passed over and counted,
 *  and the next frame is found behind them. Holds at most one frame and one chunk. */
export class FrameParser {
  readonly #chunks: Buffer[] = []
  #heldBytes = 0
  /** How many bytes must be held before it makes sense to look again. */
  #neededBytes = FRAME_HEAD_BYTES
  #skippedBytes = 0

  /** Bytes that belonged to no frame. */
  get skippedBytes(): number {
    return this.#skippedBytes
  }

  /** Takes the next bytes and gives the frames that are whole by now. */
  *push(chunk: Buffer): Generator<ParsedFrame> {
    this.#chunks.push(chunk)
    this.#heldBytes += chunk.length
    while (this.#heldBytes >= this.#neededBytes) {
      const parsed = this.#next(this.#joined(), false)
      if (parsed === 'more') return
      if (parsed !== undefined) yield parsed
    }
  }

  /** Tells that no bytes follow, and gives the frames that were held back. */
  *end(): Generator<ParsedFrame> {
    while (this.#heldBytes >= FRAME_HEAD_BYTES) {
      const parsed = this.#next(this.#joined(), true)
      if (parsed === 'more') break
      if (parsed !== undefined) yield parsed
    }
    this.#skippedBytes += this.#heldBytes
    this.#keep(Buffer.alloc(0))
  }

  #next(bytes: Buffer, ended: boolean): ParsedFrame | 'more' | undefined {
    const head = readFrameHead(bytes)
    if (head === undefined) return this.#skip(bytes)
    const frameBytes = FRAME_HEAD_BYTES + head.payloadBytes
    if (bytes.length < frameBytes) {
      this.#neededBytes = frameBytes
      return ended ? this.#skip(bytes) : 'more'
    }
    const payload = bytes.subarray(FRAME_HEAD_BYTES, frameBytes)
    const good = crc32c(payload) === head.payloadCrc
    if (!good && !this.#followed(bytes, frameBytes)) {
      // Whether the payload is rotten or bytes are missing is seen by what stands behind it.
      if (!ended && bytes.length < frameBytes + FRAME_HEAD_BYTES) {
        this.#neededBytes = frameBytes + FRAME_HEAD_BYTES
        return 'more'
      }
      if (bytes.length > frameBytes) {
        this.#skip(bytes)
        return { head, payload: new Uint8Array(), good: false }
      }
    }
    this.#keep(bytes.subarray(frameBytes))
    return { head, payload, good }
  }

  #followed(bytes: Buffer, at: number): boolean {
    return readFrameHead(bytes.subarray(at)) !== undefined
  }

  #skip(bytes: Buffer): undefined {
    const at = findFrameHead(bytes, 1)
    this.#skippedBytes += at
    this.#keep(bytes.subarray(at))
  }

  #joined(): Buffer {
    const [first] = this.#chunks
    if (this.#chunks.length === 1 && first !== undefined) return first
    const bytes = Buffer.concat(this.#chunks)
    this.#keep(bytes)
    return bytes
  }

  #keep(bytes: Buffer): void {
    this.#chunks.splice(0, this.#chunks.length, bytes)
    this.#heldBytes = bytes.length
    this.#neededBytes = FRAME_HEAD_BYTES
  }
}
