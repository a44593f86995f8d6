import { createHash, randomBytes } from 'node:crypto'
import { type Clock, PurlinError } from '@purlin/base'
import type { Guard, Store, Write } from '@purlin/store'

const PREFIX = '/join/'
const MINUTE_MS = 60_000

interface JoinRecord {
  readonly sha256: string
  readonly expiresAtMs: number
  readonly host?: string
}

/** Makes a token by which one host may join, once. The store keeps the SHA-256 of its 32 random
 *  bytes. The text also says whose authority to believe, so that the first word of a joining host
 *  goes to nobody else. */
export async function createJoinToken(
  store: Store,
  clock: Clock,
  authorityHash: string,
  { host, minutes }: { readonly host?: string | undefined; readonly minutes: number },
): Promise<{ readonly token: string; readonly expiresAtMs: number }> {
  const id = randomBytes(6).toString('hex')
  const secret = randomBytes(32).toString('base64url')
  const expiresAtMs = clock.nowMs() + minutes * MINUTE_MS
  const value: JoinRecord = {
    sha256: hashOf(secret),
    expiresAtMs,
    ...(host !== undefined && { host }),
  }
  const { entries } = await store.list(PREFIX)
  const over = entries.filter((entry) => (entry.value as JoinRecord).expiresAtMs < clock.nowMs())
  const writes: Write[] = over.map(({ key }) => ({ delete: key }))
  await store.transact({ writes: [...writes, { put: `${PREFIX}${id}`, value }] })
  return { token: `purlin-join.${id}.${secret}.${authorityHash}`, expiresAtMs }
}

/** The parts of a token's text. Errors: PUR_FLEET_TOKEN. */
export function parseJoinToken(text: string): {
  readonly id: string
  readonly secret: string
  readonly authorityHash: string
} {
  const match = /^purlin-join\.([0-9a-f]{12})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})$/.exec(
    text.trim(),
  )
  const [, id = '', secret = '', authorityHash = ''] = match ?? []
  if (match !== null) return { id, secret, authorityHash }
  const message = 'this is no token of "purlin host token"; copy the whole line'
  throw new PurlinError('PUR_FLEET_TOKEN', { message })
}

/** What must be in the transaction that lets a host in: the token is there, and is used up by it.
 *  Errors: PUR_FLEET_TOKEN, the same for every reason but a name that does not fit. */
export async function useJoinToken(
  store: Store,
  clock: Clock,
  text: string,
  host: string,
): Promise<{ readonly guard: Guard; readonly write: Write }> {
  const { id, secret } = parseJoinToken(text)
  const key = `${PREFIX}${id}`
  const entry = await store.get(key)
  const record = entry?.value as JoinRecord | undefined
  if (
    entry === undefined ||
    record === undefined ||
    record.sha256 !== hashOf(secret) ||
    record.expiresAtMs < clock.nowMs()
  ) {
    const message = 'the token is unknown, used or too old; make a new one: purlin host token'
    throw new PurlinError('PUR_FLEET_TOKEN', { message })
  }
  if (record.host !== undefined && record.host !== host) {
    const message = `the token lets the host ${record.host} in, not ${host}`
    throw new PurlinError('PUR_FLEET_TOKEN', { message })
  }
  return { guard: { key, revision: entry.revision }, write: { delete: key } }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
