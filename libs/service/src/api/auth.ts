import { createHash, randomBytes } from 'node:crypto'
import { type Clock, PurlinError } from '@purlin/base'
import type { Role, TokenAnswer, TokenList } from '@purlin/schema'
import type { Store } from '@purlin/store'
import { mirrorPrefix } from '../resources/mirror.ts'

interface TokenRecord {
  readonly name: string
  readonly role: Role
  readonly sha256: string
  readonly createdAtMs: number
}

const PREFIX = '/token/'
const RANK: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, admin: 2 }

/** Bearer tokens. The store keeps SHA-256 of 32 random bytes, never the text: nothing to guess,
 *  nothing to leak. */
export interface Tokens {
  create(name: string, role: Role): Promise<TokenAnswer>
  remove(name: string): Promise<void>
  list(): TokenList
  /** Whose a bearer text is; undefined for one that was never given out. */
  holderOf(text: string): Pick<TokenRecord, 'name' | 'role'> | undefined
}

/** Follows the tokens there are; changes go to the store first. While none could be read yet, no
 *  token is good. */
export function openTokens(
  store: Store,
  clock: Clock,
  signal: AbortSignal,
  onTrouble: (thrown: unknown) => void,
): Tokens {
  const byName = new Map<string, TokenRecord>()
  const follow = async (): Promise<void> => {
    const mirror = await mirrorPrefix({ store, prefix: PREFIX, clock, signal })
    const take = (): void => {
      byName.clear()
      for (const { value } of mirror.current().entries.values()) {
        const record = value as TokenRecord
        byName.set(record.name, record)
      }
    }
    mirror.onChange(take)
    take()
    await mirror.ended
  }
  follow().catch((thrown) => {
    if (!signal.aborted) onTrouble(thrown)
  })
  return {
    async create(name, role) {
      if (byName.has(name)) {
        const message = `token ${name}: there is one of that name; delete it first`
        throw new PurlinError('PUR_STORE_CONFLICT', { message })
      }
      const token = `purlin_${randomBytes(32).toString('base64url')}`
      const record = { name, role, sha256: hashOf(token), createdAtMs: clock.nowMs() }
      const key = `${PREFIX}${name}`
      await store.transact({
        guards: [{ key, revision: 0 }],
        writes: [{ put: key, value: record }],
      })
      byName.set(name, record)
      return { name, role, token }
    },
    async remove(name) {
      if (!byName.has(name)) {
        throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no token named ${name}` })
      }
      await store.transact({ writes: [{ delete: `${PREFIX}${name}` }] })
      byName.delete(name)
    },
    list: () => ({
      items: [...byName.values()].map(({ name, role, createdAtMs }) => ({
        name,
        role,
        createdAtMs,
      })),
    }),
    holderOf: (text) => {
      const wanted = hashOf(text)
      return [...byName.values()].find(({ sha256 }) => sha256 === wanted)
    },
  }
}

/** Lets a caller pass or says why not. Errors: PUR_AUTH_REQUIRED, PUR_AUTH_FORBIDDEN. */
export function authorise(needed: Role | null, held: Role | undefined, call: string): void {
  if (needed === null) return
  if (held === undefined) {
    const message = `${call}: needs a token; send "Authorization: Bearer TOKEN", or use the unix socket`
    throw new PurlinError('PUR_AUTH_REQUIRED', { message })
  }
  if (RANK[held] < RANK[needed]) {
    const message = `${call}: needs the role ${needed}, the token has ${held}`
    throw new PurlinError('PUR_AUTH_FORBIDDEN', { message })
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
