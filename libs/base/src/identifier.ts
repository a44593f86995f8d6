import { createHash, randomBytes } from 'node:crypto'

/** The seam to randomness. */
export type RandomBytes = (count: number) => Uint8Array

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new id that sorts by time: 48 bits of milliseconds and 80 random bits, 26 characters of
 *  Crockford's base 32 in lower case. */
export function newIdentifier(nowMs: number, random: RandomBytes = randomBytes): string {
  let value = BigInt(nowMs)
  for (const byte of random(10)) value = (value << 8n) | BigInt(byte)
  let text = ''
  for (let index = 0; index < 26; index++) {
    text = (ALPHABET[Number(value & 31n)] ?? '0') + text
    value >>= 5n
  }
  return text
}

/** The first `length` hexadecimal digits of the text's SHA-256. */
export function shortHash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}

/** A UUID that is the same for the same text (version 8 of RFC 9562, SHA-256 inside). */
export function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}
