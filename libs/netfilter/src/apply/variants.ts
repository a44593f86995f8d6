import type { CompiledRuleset } from '../compile/ruleset.ts'
import type { NetfilterObserved } from '../observe/observed.ts'
import { type ChainUnit, chainUnits, type VariantOf } from '../target/nftables.ts'
import { chainFault, observedChain } from './health.ts'

const VARIANTS_MAX = 1_000

/** Chooses for each unit the variant that stands whole in the kernel, else the first whose
 *  names are free: a chain in force is never edited, its successor is made beside it. Pure. */
export function chooseVariants(compiled: CompiledRuleset, observed: NetfilterObserved): VariantOf {
  const chosen = new Map(
    chainUnits(compiled).map((unit) => [unit.stem, chooseVariant(unit, observed)]),
  )
  return (stem) => chosen.get(stem) ?? 0
}

function chooseVariant(unit: ChainUnit, observed: NetfilterObserved): number {
  let free: number | undefined
  // Variants are few: one in force, rarely a tampered one, so the search ends a step after them.
  for (let variant = 0; variant < VARIANTS_MAX; variant++) {
    const chains = unit.chains(variant)
    const found = chains.filter((chain) => observedChain(chain, observed) !== undefined)
    if (found.length === 0) {
      if (free !== undefined) break
      free = variant
      continue
    }
    if (chains.every((chain) => chainFault(chain, observed) === undefined)) return variant
  }
  return free ?? VARIANTS_MAX
}
