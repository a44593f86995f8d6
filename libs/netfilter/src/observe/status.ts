import { type Fact, fact } from '@purlin/base'
import { chainFault } from '../apply/health.ts'
import {
  FILTERED_MASK,
  hexadecimal,
  type MapName,
  mapTypes,
  markClass,
  portOfGuard,
  ZONE_MASK,
} from '../target/names.ts'
import { targetOf } from '../target/script.ts'
import { skeletonChains } from '../target/skeleton.ts'
import { type NetfilterObserved, observedMap } from './observed.ts'

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

/** The NICs that have a guard in the kernel. */
export function observedNics(observed: NetfilterObserved): readonly ObservedNic[] {
  const marks = observedMap(observed, 'bridge', 'nic-mark')
  return [...observedMap(observed, 'bridge', 'guard')].flatMap(([tap, verdict]) => {
    const port = portOfGuard(verdict.slice(verdict.indexOf(' ') + 1))
    if (port === undefined) return []
    const mark = Number(marks.get(tap) ?? 0)
    const filtered = (mark & FILTERED_MASK) === (markClass.outbound & FILTERED_MASK)
    return [{ port, tap, zone: mark === 0 ? undefined : mark & ZONE_MASK, filtered }]
  })
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
  const reason = nicFault(nic, observed)
  return reason === undefined ? { state: 'enforced' } : { state: 'notEnforced', reason }
}

/** `nic/PORT/enforced` of each NIC whose rules stand. */
export function enforcedFacts(observed: NetfilterObserved): ReadonlySet<Fact> {
  if (skeletonFault(observed) !== undefined) return new Set()
  const whole = observedNics(observed).filter((nic) => nicFault(nic, observed) === undefined)
  return new Set(whole.map((nic) => fact('nic', nic.port, 'enforced')))
}

function skeletonFault(observed: NetfilterObserved): string | undefined {
  for (const chain of skeletonChains) {
    const fault = chainFault(chain, observed)
    if (fault !== undefined) return `chain ${chain.table}/${chain.name} ${fault}`
  }
  return undefined
}

function nicFault(nic: ObservedNic, observed: NetfilterObserved): string | undefined {
  if (nic.zone === undefined) return `frames from ${nic.tap} are not marked`
  const outbound = nic.filtered ? markClass.outbound : markClass.unfilteredOutbound
  const inbound = nic.filtered ? markClass.inbound : markClass.unfilteredInbound
  const marks = [hexadecimal(outbound + nic.zone), hexadecimal(inbound + nic.zone)]
  const marked = new Set(observedMap(observed, 'bridge', 'nic-mark').values())
  if (marks.some((mark) => !marked.has(mark))) return 'frames to the machine are not marked'
  const needed: [MapName, string][] = [
    ['guard', nic.tap],
    ...marks.map((mark): [MapName, string] => ['zone', mark]),
    ...(nic.filtered ? marks.map((mark): [MapName, string] => ['dispatch', mark]) : []),
  ]
  for (const [map, key] of needed) {
    const verdict = observedMap(observed, mapTypes[map].table, map).get(key)
    const target = verdict === undefined ? undefined : targetOf(map, verdict)
    if (target === undefined) return `map ${map} lacks ${key}`
    const fault = reachableFault(target, observed)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** What is wrong with a chain or with one that it leads to; chains nest once at most. */
function reachableFault(key: string, observed: NetfilterObserved): string | undefined {
  const table = key.startsWith('inet/') ? 'inet' : 'bridge'
  const chain = observed.tables[table]?.chains.get(key)
  if (chain === undefined) return `chain ${key} is missing`
  if (observed.altered.has(key)) return `chain ${key} has a changed rule`
  for (const reference of chain.references) {
    if (reference.includes('/') && reference !== key) {
      const fault = reachableFault(reference, observed)
      if (fault !== undefined) return fault
    }
  }
  return undefined
}
