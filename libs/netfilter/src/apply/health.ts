import type { NetfilterObserved } from '../observe/observed.ts'
import { type Chain, objectKey } from '../target/statement.ts'
import { sameChain } from './same.ts'

/** What is wrong with a chain in the kernel, or undefined where it is as asked. */
export function chainFault(chain: Chain, observed: NetfilterObserved): string | undefined {
  const key = objectKey(chain)
  const found = observed.chains.get(key)
  if (found === undefined) return 'is missing'
  if (found !== chain && hookText(found) !== hookText(chain)) return 'is attached elsewhere'
  if (isForeign(key, observed)) return 'has a rule of somebody else'
  if (sameChain(found, chain)) return undefined
  return found.rules.length === chain.rules.length ? 'has a changed rule' : 'has other rules'
}

/** Whether the chain holds a rule that none of ours could be. */
export function isForeign(chain: string, observed: NetfilterObserved): boolean {
  return observed.foreign.some((text) => text.startsWith(`rule ${chain} `))
}

/** Where a base chain is attached, in words. */
export function hookText({ hook }: Chain): string | undefined {
  return hook && `${hook.hook} ${hook.priority}`
}
