import type { CompiledRuleset } from '../compile/ruleset.ts'
import type { NetfilterObserved } from '../observe/observed.ts'
import { type Unit, unitsOf, type Variants } from '../target/host-objects.ts'
import { objectKey } from '../target/statement.ts'
import { chainFault } from './health.ts'
import { sameSet } from './same.ts'

const NAME = /^\w+\/(.+)_(\d+)(?:-.*)?$/

/** Chooses for each unit the variant that stands whole in the kernel, else the first whose
 *  names are free: a chain in force is never edited, its successor is made beside it. Pure. */
export function chooseVariants(compiled: CompiledRuleset, observed: NetfilterObserved): Variants {
  const present = presentVariants(observed)
  const chosen = new Map<string, number>()
  for (const unit of unitsOf(compiled, () => 0)) {
    const { stem } = unit
    const variants = present.get(stem)
    if (variants === undefined) continue
    const ofVariant = (variant: number): Unit | undefined =>
      variant === 0
        ? unit
        : unitsOf(compiled, (one) => (one === stem ? variant : 0)).find((one) => one.stem === stem)
    const whole = [...variants].find((variant) => isWhole(ofVariant(variant), observed))
    const variant = whole ?? firstFree(variants)
    if (variant !== 0) chosen.set(stem, variant)
  }
  return chosen
}

type Present = ReadonlyMap<string, ReadonlySet<number>>

const known = new WeakMap<NetfilterObserved['chains'], Present>()

/** The variants of each stem of which a chain stands, in order; every unit has chains, and its sets
 *  come and go with them. */
function presentVariants({ chains }: NetfilterObserved): Present {
  const found = known.get(chains)
  if (found !== undefined) return found
  const present = new Map<string, Set<number>>()
  for (const key of chains.keys()) {
    const [, stem, variant] = NAME.exec(key) ?? []
    if (stem === undefined) continue
    const variants = present.get(stem)
    if (variants === undefined) present.set(stem, new Set([Number(variant)]))
    else variants.add(Number(variant))
  }
  known.set(chains, present)
  return present
}

function firstFree(taken: ReadonlySet<number>): number {
  let variant = 0
  while (taken.has(variant)) variant++
  return variant
}

function isWhole(unit: Unit | undefined, observed: NetfilterObserved): boolean {
  if (unit === undefined) return false
  return (
    unit.chains.every((chain) => chainFault(chain, observed) === undefined) &&
    unit.sets.every((set) => {
      const found = observed.sets.get(objectKey(set))
      return found !== undefined && sameSet(found, set)
    })
  )
}
