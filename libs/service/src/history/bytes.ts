/** Bytes that grow as they are written. */
export class ByteWriter {
  #bytes = new Uint8Array(4096)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** A whole number from 0 to 2^53, seven bits a byte, the lowest first. */
  varint(number: number): void {
    this.#reserve(8)
    let rest = number
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
  }

  double(number: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#length, number, true)
    this.#length += 8
  }

  bytes(piece: Uint8Array): void {
    this.#reserve(piece.length)
    this.#bytes.set(piece, this.#length)
    this.#length += piece.length
  }

  /** A copy of what was written; the writer is empty afterwards. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return taken
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

/** Reads what {@link ByteWriter} wrote; undefined where the bytes end too early. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  varint(): number | undefined {
    let number = 0
    for (let power = 1; power <= 2 ** 49; power *= 128) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) return undefined
      this.#at += 1
      number += (byte % 128) * power
      if (byte < 128) return number
    }
    return undefined
  }

  double(): number | undefined {
    if (this.#at + 8 > this.#bytes.length) return undefined
    this.#at += 8
    return this.#view.getFloat64(this.#at - 8, true)
  }
}
