import type { Difference } from './apply/difference.ts'
import type { CompiledRuleset } from './compile/ruleset.ts'
import type { NetfilterObserved } from './observe/observed.ts'
import { observedNics } from './observe/status.ts'

const NAMES_SHOWN = 6

/** One sentence for people: what a commit changes. */
export function summaryOf(
  { faults, remove }: Difference,
  compiled: CompiledRuleset,
  affectedPorts: readonly string[],
  observed: NetfilterObserved,
): string {
  const present = new Set(observedNics(observed).map((nic) => nic.port))
  const added = affectedPorts.filter((port) => !present.has(port))
  const changed = affectedPorts.filter((port) => present.has(port))
  const keys = [...faults.keys()]
  const tables = keys.filter((key) => key.startsWith('table '))
  const repaired = [...faults]
    .filter(([key, fault]) => key.startsWith('chain ') && fault !== 'is missing')
    .map(([key]) => key.slice('chain '.length))
  const groups = keys
    .filter((key) => key.startsWith('set '))
    .map((key) => key.slice('set group-'.length, key.lastIndexOf('-')))
  const strays = keys.filter((key) => key.startsWith('map ')).length
  const parts = [
    ...(tables.length > 0 ? ['make the tables bridge purlin and inet purlin'] : []),
    ...(added.length > 0 ? [`add the rules of ${some(added)}`] : []),
    ...(changed.length > 0 ? [`change the rules of ${some(changed)}`] : []),
    ...(groups.length > 0 ? [`bring the members of ${some([...new Set(groups)])} up to date`] : []),
    ...(repaired.length > 0 ? [`repair ${some(repaired)}`] : []),
  ]
  if (parts.length === 0 && strays > 0) parts.push(`delete ${strays} stray map elements`)
  if (parts.length === 0 && keys.length > 0) parts.push(`make ${keys.length} missing chains`)
  if (parts.length === 0)
    parts.push(`delete ${remove.chains.size} chains and ${remove.sets.size} sets left over`)
  return `${parts.join('; ')} (${compiled.nics.length} NICs)`
}

function some(names: readonly string[]): string {
  if (names.length <= NAMES_SHOWN) return names.join(', ')
  return `${names.slice(0, NAMES_SHOWN).join(', ')} and ${names.length - NAMES_SHOWN} more`
}
