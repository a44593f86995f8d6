import { shortHash } from '@purlin/base'
import type { CompiledList, CompiledNic, CompiledRuleset } from '../compile/ruleset.ts'
import { guardRules } from './guard.ts'
import { chainKey, type KernelChain, type KernelRuleset, type KernelSet } from './kernel-ruleset.ts'
import { ruleText } from './match.ts'
import { guardStem, hexadecimal, type MapName, markClass } from './names.ts'
import { skeletonChains } from './skeleton.ts'

/** Chains that belong together and are made and replaced as one. Their content is in the stem
 *  as a hash, or fixed by it; the variant lets the same content stand twice, where the first
 *  was tampered with. */
export interface ChainUnit {
  readonly stem: string
  readonly chains: (variant: number) => readonly KernelChain[]
}

/** Which variant of a unit is meant; 0 where nothing stands in the way. */
export type VariantOf = (stem: string) => number

/** Every unit of chains of a compiled rule set. */
export function chainUnits(compiled: CompiledRuleset): readonly ChainUnit[] {
  return [
    ...[...compiled.lists.values()].map(listUnit),
    ...compiled.nics.flatMap((nic) => [guardUnit(nic), zoneUnit(nic)]),
  ]
}

/** Renders a compiled rule set to nft's own terms. Pure. */
export function kernelRuleset(compiled: CompiledRuleset, variantOf: VariantOf): KernelRuleset {
  const chains = new Map<string, KernelChain>()
  for (const chain of skeletonChains) chains.set(chainKey(chain), chain)
  for (const unit of chainUnits(compiled)) {
    for (const chain of unit.chains(variantOf(unit.stem))) chains.set(chainKey(chain), chain)
  }
  const sets = [...compiled.sets.values()].map(({ name, family, addresses }) => {
    return [name, { family, elements: addresses }] as [string, KernelSet]
  })
  const maps: Record<MapName, Map<string, string>> = {
    'nic-mark': new Map(),
    guard: new Map(),
    zone: new Map(),
    dispatch: new Map(),
  }
  for (const nic of compiled.nics) addElements(maps, nic, variantOf)
  return { chains, sets: new Map(sets), maps }
}

/** The map elements that make a NIC's frames meet its rules, by `MAP/KEY`. */
export function nicElementKeys(nic: CompiledNic): readonly [MapName, string][] {
  const [outbound, inbound] = marksOf(nic)
  const always: [MapName, string][] = [
    ['guard', nic.tap],
    ['nic-mark', nic.tap],
    ['nic-mark', nic.inner],
    ['zone', hexadecimal(outbound)],
    ['zone', hexadecimal(inbound)],
  ]
  if (nic.lists === undefined) return always
  return [...always, ['dispatch', hexadecimal(outbound)], ['dispatch', hexadecimal(inbound)]]
}

/** Stems of the chain units that a NIC uses. */
export function nicStems(nic: CompiledNic): readonly string[] {
  const own = [guardUnit(nic).stem, zoneUnit(nic).stem]
  if (nic.lists === undefined) return own
  return [...own, listStem(nic.lists.inbound), listStem(nic.lists.outbound)]
}

function addElements(
  maps: Record<MapName, Map<string, string>>,
  nic: CompiledNic,
  variantOf: VariantOf,
): void {
  const [outbound, inbound] = marksOf(nic)
  const chainOf = (stem: string): string => `${stem}_${variantOf(stem)}`
  maps.guard.set(nic.tap, `jump ${chainOf(guardUnit(nic).stem)}`)
  maps['nic-mark'].set(nic.tap, hexadecimal(outbound))
  maps['nic-mark'].set(nic.inner, hexadecimal(inbound))
  const zone = `goto ${chainOf(zoneUnit(nic).stem)}`
  maps.zone.set(hexadecimal(outbound), zone)
  maps.zone.set(hexadecimal(inbound), zone)
  if (nic.lists === undefined) return
  // A jump, not a goto: should a list ever end without a verdict, the skeleton's last rule drops.
  maps.dispatch.set(hexadecimal(outbound), `jump ${chainOf(listStem(nic.lists.outbound))}`)
  maps.dispatch.set(hexadecimal(inbound), `jump ${chainOf(listStem(nic.lists.inbound))}`)
}

function marksOf(nic: CompiledNic): readonly [number, number] {
  return nic.lists === undefined
    ? [markClass.unfilteredOutbound + nic.zone, markClass.unfilteredInbound + nic.zone]
    : [markClass.outbound + nic.zone, markClass.inbound + nic.zone]
}

function listStem(key: string): string {
  return `list-${key}`
}

function listUnit(list: CompiledList): ChainUnit {
  const stem = listStem(list.key)
  return {
    stem,
    chains: (variant) => {
      const name = `${stem}_${variant}`
      const families = `{ ipv4 : goto ${name}-ipv4, ipv6 : goto ${name}-ipv6 }`
      return [
        {
          table: 'inet',
          name: `${name}-ipv4`,
          rules: list.ipv4.map((rule) => ruleText(rule, 'ipv4')),
        },
        {
          table: 'inet',
          name: `${name}-ipv6`,
          rules: list.ipv6.map((rule) => ruleText(rule, 'ipv6')),
        },
        {
          table: 'inet',
          name,
          rules: [{ id: 'list/family', text: `meta nfproto vmap ${families}` }],
        },
      ]
    },
  }
}

function guardUnit(nic: CompiledNic): ChainUnit {
  const rules = guardRules(nic)
  const stem = guardStem(nic.port, shortHash(JSON.stringify(rules), 8))
  return {
    stem,
    chains: (variant) => [{ table: 'bridge', name: `${stem}_${variant}`, rules }],
  }
}

function zoneUnit(nic: CompiledNic): ChainUnit {
  const stem = `zone-${nic.zone}`
  const rules = [{ id: 'zone/set', text: `ct zone set ${nic.zone}` }]
  return { stem, chains: (variant) => [{ table: 'inet', name: `${stem}_${variant}`, rules }] }
}
