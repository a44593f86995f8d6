import { type Fact, fact } from '@purlin/base'
import { chainFault, isForeign } from '../apply/health.ts'
import { targetsOf, targetsOfElement } from '../apply/leftovers.ts'
import {
  FILTERED_MASK,
  markClass,
  portOfGuard,
  type TableFamily,
  ZONE_MASK,
} from '../target/names.ts'
import { chainOf, type SetElement } from '../target/statement.ts'
import { type NetfilterObserved, turnElements } from './observed.ts'
import { standingObjects } from './standing.ts'

/** A NIC as the kernel knows it. */
export interface ObservedNic {
  readonly port: string
  readonly tap: string
  /** Absent where the guard stands but the mark is missing. */
  readonly zone: number | undefined
  readonly filtered: boolean
}

export type NicStatus =
  | { readonly state: 'enforced' }
  | { readonly state: 'notEnforced'; readonly reason: string }

interface KnownNics {
  readonly marks: ReadonlyMap<string, SetElement>
  readonly nics: readonly ObservedNic[]
}

/** By the elements of the map of guards. */
const knownNics = new WeakMap<ReadonlyMap<string, SetElement>, KnownNics>()

/** The NICs that have a guard in the kernel. */
export function observedNics(observed: NetfilterObserved): readonly ObservedNic[] {
  const marks = turnElements(observed, 'nic-mark')
  const guards = turnElements(observed, 'guard')
  const known = knownNics.get(guards)
  if (known?.marks === marks) return known.nics
  const nics = nicsOf(guards, marks)
  knownNics.set(guards, { marks, nics })
  return nics
}

const knownPorts = new WeakMap<readonly ObservedNic[], ReadonlySet<string>>()

/** Their ports. */
export function observedPorts(observed: NetfilterObserved): ReadonlySet<string> {
  const nics = observedNics(observed)
  const known = knownPorts.get(nics)
  if (known !== undefined) return known
  const ports = new Set(nics.map((nic) => nic.port))
  knownPorts.set(nics, ports)
  return ports
}

function nicsOf(
  guards: ReadonlyMap<string, SetElement>,
  marks: ReadonlyMap<string, SetElement>,
): readonly ObservedNic[] {
  return [...guards].flatMap(([tap, { value }]) => {
    const chain = typeof value === 'object' ? chainOf(value) : undefined
    const port = chain === undefined ? undefined : portOfGuard(chain)
    if (port === undefined) return []
    const mark = markOf(marks.get(tap))
    const filtered = (mark & FILTERED_MASK) >>> 0 === (markClass.outbound & FILTERED_MASK) >>> 0
    return [{ port, tap, zone: mark === 0 ? undefined : mark & ZONE_MASK, filtered }]
  })
}

/** The mark that an element of `nic-mark` gives; 0 where there is none. */
export function markOf(element: SetElement | undefined): number {
  return typeof element?.value === 'number' ? element.value : 0
}

/** Whether a NIC's rules stand in the kernel, whole and unchanged since they were read back.
 *  They may be those of the previous generation while a newer one is on its way. Pure. */
export function nicStatus(observed: NetfilterObserved, port: string): NicStatus {
  const skeleton = skeletonFault(observed)
  if (skeleton !== undefined) return { state: 'notEnforced', reason: skeleton }
  const nic = observedNics(observed).find((one) => one.port === port)
  if (nic === undefined) {
    return { state: 'notEnforced', reason: `no rules of ${port} are in the kernel` }
  }
  const reason = nicFault(nic, observed, marksOf(observed), new Map())
  return reason === undefined ? { state: 'enforced' } : { state: 'notEnforced', reason }
}

/** `nic/PORT/enforced` of each NIC whose rules stand. */
export function enforcedFacts(observed: NetfilterObserved): ReadonlySet<Fact> {
  if (skeletonFault(observed) !== undefined) return new Set()
  const marked = marksOf(observed)
  const judged = new Map<string, string | undefined>()
  const whole = observedNics(observed).filter(
    (nic) => nicFault(nic, observed, marked, judged) === undefined,
  )
  return new Set(whole.map((nic) => fact('nic', nic.port, 'enforced')))
}

function skeletonFault(observed: NetfilterObserved): string | undefined {
  for (const [key, chain] of standingObjects.chains) {
    const fault = chainFault(chain, observed)
    if (fault !== undefined) return `chain ${key} ${fault}`
  }
  for (const key of standingObjects.sets.keys()) {
    if (!observed.sets.has(key)) return `set ${key} is missing`
  }
  return undefined
}

function marksOf(observed: NetfilterObserved): ReadonlySet<number> {
  return new Set([...turnElements(observed, 'nic-mark').values()].map(markOf))
}

/** `judged`: what was found wrong with chains and sets that other NICs share. */
function nicFault(
  nic: ObservedNic,
  observed: NetfilterObserved,
  marked: ReadonlySet<number>,
  judged: Map<string, string | undefined>,
): string | undefined {
  if (nic.zone === undefined) return `frames from ${nic.tap} are not marked`
  const outbound = (nic.filtered ? markClass.outbound : markClass.unfilteredOutbound) + nic.zone
  const inbound = (nic.filtered ? markClass.inbound : markClass.unfilteredInbound) + nic.zone
  if (!marked.has(outbound) || !marked.has(inbound)) {
    return 'frames to the machine are not marked'
  }
  const marks = [String(outbound), String(inbound)]
  const maps = nic.filtered ? ['zone', 'open', 'dispatch'] : ['zone']
  const needed: [TableFamily, string, string][] = [
    ['bridge', 'guard', nic.tap],
    ...maps.flatMap((map) =>
      marks.map((mark): [TableFamily, string, string] => ['inet', map, mark]),
    ),
  ]
  for (const [table, map, key] of needed) {
    const element = turnElements(observed, map).get(key)
    const [target] = element === undefined ? [] : targetsOfElement(table, element)
    if (target === undefined) return `map ${map} lacks ${key}`
    const fault = reachableFault(target, observed, judged)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** What is wrong with a chain or set (`chain TABLE/NAME`) or with one that it leads to. */
function reachableFault(
  target: string,
  observed: NetfilterObserved,
  judged: Map<string, string | undefined>,
): string | undefined {
  if (judged.has(target)) return judged.get(target)
  judged.set(target, undefined)
  const fault = ownFault(target, observed)
  const found =
    fault ??
    targetsOf(target, observed)
      .map((next) => reachableFault(next, observed, judged))
      .find((one) => one !== undefined)
  judged.set(target, found)
  return found
}

function ownFault(target: string, observed: NetfilterObserved): string | undefined {
  if (target.startsWith('set ')) {
    return observed.sets.has(target.slice('set '.length)) ? undefined : `${target} is missing`
  }
  const key = target.slice('chain '.length)
  if (!observed.chains.has(key)) return `${target} is missing`
  if (isForeign(key, observed)) return `${target} has a rule of somebody else`
  return observed.altered.has(key) ? `${target} has a changed rule` : undefined
}
