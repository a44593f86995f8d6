import { createHash, randomBytes } from 'node:crypto'
import type { RandomBytes } from '@purlin/base'

const TOKEN_BYTES = 16
/** 128 bits in base64url (RFC 4648 section 5), without padding. */
const TOKEN = /^[A-Za-z0-9_-]{22}$/

/** A new token of 128 random bits, 22 characters that need no quoting anywhere. */
export function newToken(random: RandomBytes = randomBytes): string {
  return Buffer.from(random(TOKEN_BYTES)).toString('base64url')
}

/** What is kept of a token: its SHA-256, 64 hexadecimal digits. */
export function tokenSha256(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** Whether the text has a token's form. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** `http(s)://SERVER:PORT/node/TOKEN`, what a node is given for one boot. */
export function nodeUrl(serverUrl: string, token: string): string {
  return `${serverUrl}/node/${token}`
}
