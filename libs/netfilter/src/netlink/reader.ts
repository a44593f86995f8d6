const TYPE_MASK = 0x3fff
const HEAD_BYTES = 4
const LAST_PLAIN_LETTER = 0x7f
const utf8 = new TextDecoder()

/** One netlink message. */
export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** The port of whoever asked for it; 0: the kernel. */
  readonly port: number
  /** Address family of netfilter's own header. */
  readonly family: number
  readonly resource: number
  readonly attributes: Attributes
  /** All behind the first header. */
  readonly payload: Uint8Array
}

const NETFILTER_HEADER_BYTES = 4
const HEADER_BYTES = 16
/** Types below this are netlink's own: no netfilter header stands in them. */
const CONTROL_TYPES = 0x10

/** The messages in bytes, in order; a cut one at the end is left out. */
export function* readMessages(bytes: Uint8Array): Generator<Message> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  while (at + HEADER_BYTES <= bytes.length) {
    const length = view.getUint32(at, true)
    if (length < HEADER_BYTES || at + length > bytes.length) return
    const type = view.getUint16(at + 4, true)
    const payload = bytes.subarray(at + HEADER_BYTES, at + length)
    const own = type >= CONTROL_TYPES && payload.length >= NETFILTER_HEADER_BYTES
    yield {
      type,
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      port: view.getUint32(at + 12, true),
      family: own ? view.getUint8(at + HEADER_BYTES) : 0,
      resource: own ? view.getUint16(at + HEADER_BYTES + 2) : 0,
      attributes: new Attributes(own ? payload.subarray(NETFILTER_HEADER_BYTES) : EMPTY),
      payload,
    }
    at += (length + 3) & ~3
  }
}

const EMPTY = new Uint8Array(0)

/** The attributes of a message or of an attribute that holds some. There is one for each of many
 *  thousand elements, so numbers are put together by hand: a view for each would cost more than all
 *  else. */
export class Attributes {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Calls with the type and content of each. */
  each(visit: (type: number, content: Uint8Array) => void): void {
    let at = 0
    while (at + HEAD_BYTES <= this.#bytes.length) {
      const length = this.#head(at)
      if (length < HEAD_BYTES) return
      visit(this.#head(at + 2) & TYPE_MASK, this.#bytes.subarray(at + HEAD_BYTES, at + length))
      at += (length + 3) & ~3
    }
  }

  has(type: number): boolean {
    return this.#find(type) >= 0
  }

  bytes(type: number): Uint8Array | undefined {
    const at = this.#find(type)
    return at < 0 ? undefined : this.#bytes.subarray(at + HEAD_BYTES, at + this.#head(at))
  }

  nested(type: number): Attributes | undefined {
    const found = this.bytes(type)
    return found && new Attributes(found)
  }

  /** Attributes of the attributes of one type, which is how netlink writes lists. */
  list(type: number, of: number): readonly Attributes[] {
    const found: Attributes[] = []
    this.nested(type)?.each((itemType, content) => {
      if (itemType === of) found.push(new Attributes(content))
    })
    return found
  }

  u8(type: number): number | undefined {
    return this.#number(type, 1)
  }

  u16(type: number): number | undefined {
    return this.#number(type, 2)
  }

  u32(type: number): number | undefined {
    return this.#number(type, 4)
  }

  u64(type: number): bigint | undefined {
    const found = this.bytes(type)
    if (found === undefined || found.length < 8) return undefined
    return new DataView(found.buffer, found.byteOffset, 8).getBigUint64(0)
  }

  /** A text, without its final zero. */
  text(type: number): string | undefined {
    const found = this.bytes(type)
    return found && textOf(found)
  }

  /** A number in network order. */
  #number(type: number, size: number): number | undefined {
    const at = this.#find(type)
    if (at < 0 || this.#head(at) < HEAD_BYTES + size) return undefined
    let value = 0
    for (let index = 0; index < size; index++) {
      value = value * 256 + (this.#bytes[at + HEAD_BYTES + index] ?? 0)
    }
    return value
  }

  /** Where the first attribute of a type begins, or -1. */
  #find(type: number): number {
    let at = 0
    while (at + HEAD_BYTES <= this.#bytes.length) {
      const length = this.#head(at)
      if (length < HEAD_BYTES) return -1
      if ((this.#head(at + 2) & TYPE_MASK) === type) return at
      at += (length + 3) & ~3
    }
    return -1
  }

  /** A number of an attribute's head, in the machine's order. */
  #head(at: number): number {
    return (this.#bytes[at] ?? 0) | ((this.#bytes[at + 1] ?? 0) << 8)
  }
}

/** Bytes up to the first zero as text. */
export function textOf(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0
    if (byte === 0) break
    // Names and comments of ours have plain letters alone; those of others may not.
    if (byte > LAST_PLAIN_LETTER) return utf8.decode(bytes.subarray(0, zeroOf(bytes)))
    text += String.fromCharCode(byte)
  }
  return text
}

function zeroOf(bytes: Uint8Array): number {
  const at = bytes.indexOf(0)
  return at < 0 ? bytes.length : at
}
