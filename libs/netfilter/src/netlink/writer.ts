const FIRST_BYTES = 4096
const NESTED = 0x8000
const ATTRIBUTE_BYTES = 4
const LAST_PLAIN_LETTER = 0x7f
const text = new TextEncoder()

/** Writes netlink messages one after the other (RFC 3549; attributes as in the kernel's
 *  `netlink.h`). Headers are in the machine's order, which is little-endian on every machine that
 *  Purlin runs on; numbers in netfilter's attributes are in network order. */
export class MessageWriter {
  #bytes = new Uint8Array(FIRST_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #length = 0
  /** Bytes from here on are zero. */
  #written = 0

  get length(): number {
    return this.#length
  }

  /** All that was written; valid until the next write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Begins a message with netfilter's own header and gives its place, for `end`. */
  begin(type: number, flags: number, sequence: number, family: number, resource = 0): number {
    const start = this.#reserve(20)
    this.#view.setUint16(start + 4, type, true)
    this.#view.setUint16(start + 6, flags, true)
    this.#view.setUint32(start + 8, sequence, true)
    this.#view.setUint32(start + 12, 0, true)
    this.#view.setUint8(start + 16, family)
    this.#view.setUint8(start + 17, 0)
    this.#view.setUint16(start + 18, resource)
    return start
  }

  end(start: number): void {
    this.#view.setUint32(start, this.#length - start, true)
  }

  /** Adds flags to the message that begins at `start`. */
  addFlags(start: number, flags: number): void {
    const at = start + 6
    this.#view.setUint16(at, this.#view.getUint16(at, true) | flags, true)
  }

  /** Begins an attribute of attributes and gives its place, for `endNest`. */
  nest(type: number): number {
    const start = this.#reserve(ATTRIBUTE_BYTES)
    this.#view.setUint16(start + 2, type | NESTED, true)
    return start
  }

  endNest(start: number): void {
    this.#view.setUint16(start, this.#length - start, true)
  }

  u8(type: number, value: number): void {
    const at = this.#attribute(type, 1)
    this.#view.setUint8(at, value)
  }

  u16(type: number, value: number): void {
    const at = this.#attribute(type, 2)
    this.#view.setUint16(at, value)
  }

  u32(type: number, value: number): void {
    const at = this.#attribute(type, 4)
    this.#view.setUint32(at, value)
  }

  u64(type: number, value: bigint): void {
    const at = this.#attribute(type, 8)
    this.#view.setBigUint64(at, value)
  }

  /** A text with its final zero. */
  text(type: number, value: string): void {
    const at = this.#attribute(type, value.length + 1)
    if (this.#letters(at, value)) return
    this.#length = at - ATTRIBUTE_BYTES
    this.raw(type, text.encode(`${value}\0`))
  }

  /** User data that is one text: its own type and length, and the text with its final zero. */
  note(type: number, noteType: number, value: string): void {
    const at = this.#attribute(type, value.length + 3)
    this.#bytes[at] = noteType
    this.#bytes[at + 1] = value.length + 1
    if (this.#letters(at + 2, value)) return
    const bytes = text.encode(`${value}\0`)
    this.#length = at - ATTRIBUTE_BYTES
    this.raw(type, Uint8Array.of(noteType, bytes.length, ...bytes))
  }

  /** Writes a text of plain letters; false where it has others. Names and comments of ours have
   *  none, and there are many of them, so they are written without an encoder. */
  #letters(at: number, value: string): boolean {
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index)
      if (code > LAST_PLAIN_LETTER) return false
      this.#bytes[at + index] = code
    }
    return true
  }

  raw(type: number, value: Uint8Array): void {
    const at = this.#attribute(type, value.length)
    this.#bytes.set(value, at)
  }

  #attribute(type: number, length: number): number {
    const start = this.#reserve(ATTRIBUTE_BYTES + ((length + 3) & ~3))
    this.#view.setUint16(start, ATTRIBUTE_BYTES + length, true)
    this.#view.setUint16(start + 2, type, true)
    return start + ATTRIBUTE_BYTES
  }

  /** Room of this size, all zero. */
  #reserve(size: number): number {
    const start = this.#length
    const end = start + size
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      larger.set(this.bytes())
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    } else if (start < this.#written) this.#bytes.fill(0, start, end)
    this.#length = end
    if (end > this.#written) this.#written = end
    return start
  }
}
