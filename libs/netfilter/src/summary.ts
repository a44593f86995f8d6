import type { Difference } from './apply/difference.ts'
import type { CompiledRuleset } from './compile/ruleset.ts'
import type { Change } from './netlink/index.ts'
import type { NetfilterObserved } from './observe/observed.ts'
import { observedPorts } from './observe/status.ts'
import { elementKey } from './target/statement.ts'

const NAMES_SHOWN = 6

/** One sentence for people: what a commit changes. */
export function summaryOf(
  { faults, aside, flip, classes }: Difference,
  compiled: CompiledRuleset,
  affectedPorts: readonly string[],
  observed: NetfilterObserved,
): string {
  const present = observedPorts(observed)
  const added = affectedPorts.filter((port) => !present.has(port))
  const changed = affectedPorts.filter((port) => present.has(port))
  const keys = [...faults.keys()]
  const tables = keys.filter((key) => key.startsWith('table '))
  const repaired = [...faults]
    .filter(([key, fault]) => key.startsWith('chain ') && fault !== 'is missing')
    .map(([key]) => key.slice('chain '.length))
  const groups = [
    ...groupsOfSets(keys),
    ...groupsOfClasses([...aside, ...flip, ...classes], compiled),
  ]
  const strays = keys.filter((key) => key.startsWith('map ')).length
  const parts = [
    ...(tables.length > 0 ? ['make the tables bridge purlin and inet purlin'] : []),
    ...(added.length > 0 ? [`add the rules of ${some(added)}`] : []),
    ...(changed.length > 0 ? [`change the rules of ${some(changed)}`] : []),
    ...(groups.length > 0
      ? [`bring the members of ${some([...new Set(groups)].sort())} up to date`]
      : []),
    ...(repaired.length > 0 ? [`repair ${some(repaired)}`] : []),
  ]
  if (parts.length === 0 && strays > 0) parts.push(`delete ${strays} stray map elements`)
  if (parts.length === 0 && keys.length > 0) parts.push(`make ${keys.length} missing chains`)
  return `${parts.join('; ')} (${compiled.nics.length} NICs)`
}

/** One sentence for people: what follows a commit. */
export function settleSummary({ leftovers: { chains, sets } }: Difference): string {
  const left = chains.size + sets.size
  const tidy = left === 0 ? '' : `delete ${chains.size} chains and ${sets.size} sets left over; `
  return `${tidy}end the connections that the rules refuse; write the rules down for the next boot`
}

const GROUP_SET = /^set inet\/group-(.+)-ipv[46]$/

/** Groups whose sets are not as asked. */
function groupsOfSets(faults: readonly string[]): readonly string[] {
  return faults.flatMap((key) => GROUP_SET.exec(key)?.[1] ?? [])
}

/** Groups that an address joins or leaves by going to another class. */
function groupsOfClasses(all: readonly Change[], compiled: CompiledRuleset): readonly string[] {
  const changes = all.flatMap((one) =>
    'elements' in one && one.set.name.startsWith('class-') ? [one] : [],
  )
  if (changes.length === 0) return []
  const groupsOf = new Map(
    [...compiled.classNumbers].map(([text, number]) => [number, text.split(' ')]),
  )
  const before = new Map<string, readonly string[]>()
  const after = new Map<string, readonly string[]>()
  for (const { change, elements } of changes) {
    for (const element of elements) {
      const [address, groups] = [elementKey(element), groupsOf.get(Number(element.value)) ?? []]
      // A class may be another one for the time of the turn: the first and the last count.
      if (change === 'add-elements') after.set(address, groups)
      else if (!before.has(address) && !after.has(address)) before.set(address, groups)
      else after.delete(address)
    }
  }
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((address) => {
    const [left, joined] = [before.get(address) ?? [], after.get(address) ?? []]
    return [
      ...left.filter((group) => !joined.includes(group)),
      ...joined.filter((group) => !left.includes(group)),
    ]
  })
}

function some(names: readonly string[]): string {
  if (names.length <= NAMES_SHOWN) return names.join(', ')
  return `${names.slice(0, NAMES_SHOWN).join(', ')} and ${names.length - NAMES_SHOWN} more`
}
