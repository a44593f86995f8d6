import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { PurlinError, type RandomBytes } from '@purlin/base'

const NONCE_BYTES = 12
const ALGORITHM = 'aes-256-gcm'

/** A text as the store keeps it. All fields are base64. */
export interface Sealed {
  readonly nonce: string
  readonly text: string
  readonly tag: string
  /** HMAC of the text, by which an equal one is known again and nothing can be guessed. */
  readonly mark: string
}

/** Encrypts a text for one place: it cannot be read as that of another place (AES-256-GCM, the
 *  place is its associated data; NIST SP 800-38D). A nonce is random, of at most 2^32 texts. */
export function seal(
  key: Uint8Array,
  place: string,
  text: string,
  random: RandomBytes = randomBytes,
): Sealed {
  const nonce = Buffer.from(random(NONCE_BYTES))
  const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(place))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return {
    nonce: nonce.toString('base64'),
    text: sealed.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    mark: markOf(key, place, text),
  }
}

/** The text again. Errors: PUR_SECRET_KEY when it was not sealed by this key for this place. */
export function unseal(key: Uint8Array, place: string, { nonce, text, tag }: Sealed): string {
  try {
    const decipher = createDecipheriv(ALGORITHM, key, Buffer.from(nonce, 'base64'))
    decipher.setAAD(Buffer.from(place)).setAuthTag(Buffer.from(tag, 'base64'))
    const opened = Buffer.concat([decipher.update(Buffer.from(text, 'base64')), decipher.final()])
    return opened.toString('utf8')
  } catch {
    const message = `${place}: was not sealed by the key of this state folder; bring the key back, or apply the manifest with its files again`
    throw new PurlinError('PUR_SECRET_KEY', { message })
  }
}

/** The mark of a text at a place. Pure. */
export function markOf(key: Uint8Array, place: string, text: string): string {
  const separate = createHmac('sha256', key).update('purlin secret mark').digest()
  return createHmac('sha256', separate).update(`${place}\0${text}`).digest('base64')
}
