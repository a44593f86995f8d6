import type { TokenAnswer, TokenList, TokenRequest } from '@purlin/schema'
import type { CallOptions, MutationOptions } from './connect/call.ts'
import { carryOut } from './connect/operation.ts'
import type { Transport } from './connect/transport.ts'

/** The tokens of the agent's TCP address. */
export interface Tokens {
  /** Names and roles; the text of a token is never shown again. */
  list(options?: CallOptions): Promise<TokenList['items']>
  /** Makes a token; the answer has its text, this once, so it is sent once unless `attempts` says
   *  more. */
  create(request: TokenRequest, options?: MutationOptions): Promise<TokenAnswer>
  /** Withdraws a token. Errors: PUR_RESOURCE_MISSING. */
  delete(name: string, options?: MutationOptions): Promise<void>
}

/** The tokens behind `transport`. */
export function tokensOf(transport: Transport): Tokens {
  return {
    list: async (options) => (await carryOut(transport, 'listTokens', { options })).items,
    create: (body, options) =>
      carryOut(transport, 'createToken', { body, options: { attempts: 1, ...options } }),
    delete: async (name, options) => {
      await carryOut(transport, 'deleteToken', { parts: { name }, options })
    },
  }
}
