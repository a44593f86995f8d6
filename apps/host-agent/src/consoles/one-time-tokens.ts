import { createHash } from 'node:crypto'
import { type Clock, PurlinError, type RandomBytes } from '@purlin/base'

/** How long a token is good. */
export const TOKEN_LIFE_MS = 30_000
/** Tokens that nobody used yet. */
const TOKENS_MAX = 256
const TOKEN_BYTES = 32

interface Kept<Grant> {
  readonly grant: Grant
  readonly untilMs: number
}

/** Tokens that are good once and for a short time. Kept here are their SHA-256 alone, in memory:
 *  they end with the agent. */
export class OneTimeTokens<Grant> {
  readonly #clock: Clock
  readonly #random: RandomBytes
  readonly #kept = new Map<string, Kept<Grant>>()

  constructor(clock: Clock, random: RandomBytes) {
    this.#clock = clock
    this.#random = random
  }

  /** Gives out a token. Errors: PUR_CONSOLE_LIMIT where too many wait to be used. */
  give(grant: Grant): { readonly token: string; readonly expiresAtMs: number } {
    const now = this.#clock.monotonicMs()
    for (const [hash, { untilMs }] of this.#kept) if (untilMs <= now) this.#kept.delete(hash)
    if (this.#kept.size >= TOKENS_MAX) {
      const message = `${TOKENS_MAX} tokens of consoles wait to be used; ask again in ${TOKEN_LIFE_MS / 1_000} s`
      throw new PurlinError('PUR_CONSOLE_LIMIT', { message })
    }
    const token = Buffer.from(this.#random(TOKEN_BYTES)).toString('base64url')
    this.#kept.set(hashOf(token), { grant, untilMs: now + TOKEN_LIFE_MS })
    return { token, expiresAtMs: this.#clock.nowMs() + TOKEN_LIFE_MS }
  }

  /** What the token is for; it is good for nothing from then on. Errors: PUR_CONSOLE_TOKEN. */
  take(token: string): Grant {
    const hash = hashOf(token)
    const kept = this.#kept.get(hash)
    this.#kept.delete(hash)
    if (kept !== undefined && kept.untilMs > this.#clock.monotonicMs()) return kept.grant
    const message = `console: the token was used already, is older than ${TOKEN_LIFE_MS / 1_000} s, or was never given out; ask for another`
    throw new PurlinError('PUR_CONSOLE_TOKEN', { message })
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
