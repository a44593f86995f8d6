import { PurlinError } from '@purlin/base'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const BRACKET_OPEN = 0x5b
const BRACKET_CLOSE = 0x5d

export interface Framer {
  /** Takes bytes as they come and returns the texts of the messages that are now whole.
   *  Errors: PUR_OVS_REFUSED when a message is longer than the limit. */
  take(bytes: Uint8Array): readonly string[]
}

/** Cuts a stream of JSON values, written one after the other without separators as JSON-RPC over a
 *  stream socket does (RFC 7047 section 4), into messages. It works on bytes, so that a character
 *  torn by a read stays whole, and holds at most `limitBytes` of an unfinished message. */
export function createFramer(limitBytes: number): Framer {
  const held: Uint8Array[] = []
  let heldBytes = 0
  let depth = 0
  let inText = false
  let escaped = false

  const messageOf = (last: Uint8Array): string => {
    const text = Buffer.concat([...held, last]).toString('utf8')
    held.length = 0
    heldBytes = 0
    return text
  }

  return {
    take: (bytes) => {
      const messages: string[] = []
      let start = 0
      for (let index = 0; index < bytes.length; index++) {
        const byte = bytes[index] ?? 0
        if (inText) {
          if (escaped) escaped = false
          else if (byte === BACKSLASH) escaped = true
          else if (byte === QUOTE) inText = false
        } else if (byte === QUOTE) inText = true
        else if (byte === BRACE_OPEN || byte === BRACKET_OPEN) depth++
        else if ((byte === BRACE_CLOSE || byte === BRACKET_CLOSE) && --depth === 0) {
          messages.push(messageOf(bytes.subarray(start, index + 1)))
          start = index + 1
        }
      }
      const rest = bytes.subarray(start)
      if (heldBytes + rest.length > limitBytes) {
        throw new PurlinError('PUR_OVS_REFUSED', {
          message: `the Open vSwitch database sent a message of more than ${limitBytes} bytes; it was not read`,
          context: { limitBytes },
        })
      }
      if (rest.length > 0) {
        held.push(Buffer.from(rest))
        heldBytes += rest.length
      }
      return messages
    },
  }
}
