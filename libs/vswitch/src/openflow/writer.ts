/** Collects bytes in network order. Grows as needed. */
export class Writer {
  #bytes: Buffer
  #length = 0

  constructor(sizeBytes = 256) {
    this.#bytes = Buffer.alloc(sizeBytes)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    this.#room(1)
    this.#bytes[this.#length++] = value & 0xff
    return this
  }

  u16(value: number): this {
    this.#room(2)
    this.#length = this.#bytes.writeUInt16BE(value, this.#length)
    return this
  }

  u32(value: number): this {
    this.#room(4)
    this.#length = this.#bytes.writeUInt32BE(value >>> 0, this.#length)
    return this
  }

  u64(value: bigint): this {
    this.#room(8)
    this.#length = this.#bytes.writeBigUInt64BE(value, this.#length)
    return this
  }

  /** An unsigned number of `sizeBytes`. */
  number(value: bigint, sizeBytes: number): this {
    this.#room(sizeBytes)
    let rest = value
    for (let at = sizeBytes - 1; at >= 0; at--) {
      this.#bytes[this.#length + at] = Number(rest & 0xffn)
      rest >>= 8n
    }
    this.#length += sizeBytes
    return this
  }

  zeros(count: number): this {
    this.#room(count)
    this.#bytes.fill(0, this.#length, this.#length + count)
    this.#length += count
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** Zeros up to the next multiple of eight, counted from `start`. */
  padFrom(start: number): this {
    return this.zeros((8 - ((this.#length - start) % 8)) % 8)
  }

  /** Writes a length that was not known before. */
  setU16(at: number, value: number): this {
    this.#bytes.writeUInt16BE(value, at)
    return this
  }

  taken(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + count))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}
