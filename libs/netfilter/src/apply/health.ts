import type { NetfilterObserved, ObservedChain } from '../observe/observed.ts'
import { chainKey, type KernelChain } from '../target/kernel-ruleset.ts'

/** What is wrong with a chain in the kernel, or undefined where it is as asked. Its rules' ids
 *  must be the asked ones in order, and nobody may have changed it since it was read back: an
 *  edit inside a rule leaves the ids as they are. */
export function chainFault(chain: KernelChain, observed: NetfilterObserved): string | undefined {
  const found = observedChain(chain, observed)
  if (found === undefined) return 'is missing'
  if (found.hook !== hookText(chain)) return 'is attached elsewhere'
  const ids = chain.rules.map((rule) => rule.id)
  if (ids.length !== found.ruleIds.length || ids.some((id, at) => id !== found.ruleIds[at])) {
    return 'has other rules'
  }
  return observed.altered.has(chainKey(chain)) ? 'has a changed rule' : undefined
}

/** The chain of that name in the kernel. */
export function observedChain(
  chain: KernelChain,
  observed: NetfilterObserved,
): ObservedChain | undefined {
  return observed.tables[chain.table]?.chains.get(chainKey(chain))
}

/** A base chain's hook as the reader writes it. */
export function hookText(chain: KernelChain): string | undefined {
  return chain.hook && `${chain.hook.hook} ${chain.hook.priority} accept`
}
