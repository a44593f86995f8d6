import type { Difference } from './apply/difference.ts'
import type { CompiledForm } from './compile/form.ts'
import type { CompiledList, CompiledRuleset } from './compile/ruleset.ts'
import { nicElements, nicStems } from './target/host-objects.ts'
import { turnShapes, verdictShape } from './target/sets.ts'
import { elementKey } from './target/statement.ts'

const STANDING = new RegExp(
  `^set .*/(?:${[...turnShapes, verdictShape].map(({ name }) => name).join('|')})$`,
)
const VARIANT = /_\d+(?:-[^/]*)?$/

/** The NICs that a difference concerns: one of their elements, chains or sets is not as asked. Of a
 *  change of the classes of addresses all NICs are that ask for classes. */
export function affectedPorts(
  compiled: CompiledRuleset,
  { faults }: Difference,
): readonly string[] {
  const keys = [...faults.keys()]
  const everyone = keys.some(
    (key) => key.startsWith('table ') || key.includes('/base-') || STANDING.test(key),
  )
  if (everyone) return compiled.nics.map((nic) => nic.port)
  const names = keys.map((key) => key.slice(key.indexOf('/') + 1))
  const stems = new Set(names.map((name) => name.replace(VARIANT, '')))
  const sets = new Set(names)
  const turned = keys.some((key) => key.startsWith('map '))
  const classes = names.some((name) => name.startsWith('class-'))
  const concerned = new Map(
    [...compiled.lists].map(([key, list]) => [key, isConcerned(list, sets, classes)]),
  )
  return compiled.nics
    .filter(
      (nic) =>
        (turned &&
          nicElements(nic, () => 0).some(([map, element]) =>
            faults.has(`map ${map} ${elementKey(element)}`),
          )) ||
        nicStems(nic).some((stem) => stems.has(stem)) ||
        (nic.lists !== undefined &&
          (concerned.get(nic.lists.inbound) || concerned.get(nic.lists.outbound))),
    )
    .map((nic) => nic.port)
}

/** The NICs whose lists ask one of these sets, or classes where those change. */
export function portsAsking(
  compiled: CompiledRuleset,
  sets: ReadonlySet<string>,
  classes: boolean,
): ReadonlySet<string> {
  const asking = classes ? portsAskingClasses(compiled) : NO_NAMES
  if (sets.size === 0) return asking
  return new Set([...asking, ...portsWith(compiled, (list) => isConcerned(list, sets, false))])
}

const classPorts = new WeakMap<CompiledRuleset['nics'], ReadonlySet<string>>()

/** Those whose lists ask classes; found once for the NICs and their lists. */
function portsAskingClasses(compiled: CompiledRuleset): ReadonlySet<string> {
  const known = classPorts.get(compiled.nics)
  if (known !== undefined) return known
  const ports = portsWith(compiled, (list) => isConcerned(list, NO_NAMES, true))
  classPorts.set(compiled.nics, ports)
  return ports
}

const NO_NAMES: ReadonlySet<string> = new Set()

function portsWith(
  { nics, lists }: CompiledRuleset,
  has: (list: CompiledList) => boolean,
): ReadonlySet<string> {
  const asking = new Set<string>()
  for (const [key, list] of lists) if (has(list)) asking.add(key)
  const ports = new Set<string>()
  if (asking.size === 0) return ports
  for (const { port, lists: own } of nics) {
    if (own && (asking.has(own.inbound) || asking.has(own.outbound))) ports.add(port)
  }
  return ports
}

function isConcerned(list: CompiledList, sets: ReadonlySet<string>, classes: boolean): boolean {
  const used = setsOf(list)
  return (classes && used.classes) || used.names.some((name) => sets.has(name))
}

interface UsedSets {
  readonly names: readonly string[]
  readonly classes: boolean
}

const known = new WeakMap<CompiledList, UsedSets>()

function setsOf(list: CompiledList): UsedSets {
  const found = known.get(list)
  if (found !== undefined) return found
  const forms = [list.ipv4, list.ipv6]
  const used = {
    names: [...new Set(forms.flatMap(groupSetsOf))],
    classes: forms.some(asksClasses),
  }
  known.set(list, used)
  return used
}

function groupSetsOf(form: CompiledForm): readonly string[] {
  if (form.form !== 'linear') return []
  return form.rules.flatMap(({ matches }) =>
    matches.flatMap((match) => (match.on === 'group' ? [match.set] : [])),
  )
}

function asksClasses(form: CompiledForm): boolean {
  return form.form === 'identity' && form.lookups.some(({ sets }) => sets === 'class')
}
