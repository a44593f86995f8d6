import type { AddressFamily } from '@purlin/base'
import type { FlatRule } from '../flatten.ts'
import { isForAnyone } from './intervals.ts'
import type { ListContent } from './linear.ts'

/** Nanoseconds of CPU that parts of a list cost the first packet of a flow that no rule matches
 *  (Linux 6.18, one core of a Xeon of the Sapphire Rapids generation). A rule: 3.82 us with 10
 *  rules, 5.20 with 100, 18.27 with 1,000, 141.5 with 10,000. The identity form of 10 rules
 *  (an interval of addresses, a hash and a range look-up) is 0.9 us above the path before it. */
export const costsNs = {
  rule: 14.5,
  hashLookup: 110,
  /** One-dimensional ranges: addresses. */
  rangeLookup: 230,
  /** Ranges in one part of several: ports under an identity. */
  concatenatedRangeLookup: 380,
} as const

/** What the linear form costs. Pure. */
export function linearCostNs(list: ListContent, family: AddressFamily): number {
  let rules = 1
  for (const rule of list.rules) {
    if (!rule.families.includes(family)) continue
    const peer = isForAnyone(rule) ? undefined : rule.peer
    rules += peer === undefined ? 1 : peer.groups.length + (peer.ranges.length > 0 ? 1 : 0)
  }
  return rules * costsNs.rule
}

/** What the identity form costs, by the look-ups that it will need. Pure. */
export function identityCostNs(list: ListContent, family: AddressFamily): number {
  const needs = new Set<string>()
  for (const rule of list.rules) {
    if (!rule.families.includes(family)) continue
    const layer = isForAnyone(rule) ? 'any' : 'own'
    for (const need of lookupsOf(rule)) needs.add(`${layer} ${need}`)
    if (layer === 'any') continue
    if (rule.peer?.groups.length !== 0) needs.add('class').add('view')
    const wide = rule.peer?.ranges.some(({ first, last }) => first !== last) === true
    if (rule.peer?.ranges.length !== 0) needs.add(wide ? 'address range' : 'address')
  }
  if (needs.has('class') && needs.has('address range')) needs.add('pair ports')
  else if (needs.has('class') && needs.has('address')) needs.add('pair')
  if (needs.has('address range')) needs.delete('address')
  let cost = costsNs.rule
  for (const need of needs) {
    if (need.endsWith(' range')) cost += costsNs.rangeLookup
    else if (need.endsWith(' ports')) cost += costsNs.concatenatedRangeLookup
    else cost += costsNs.hashLookup
  }
  return cost
}

function lookupsOf({ protocol, ports, icmp }: FlatRule): readonly string[] {
  if (protocol === 'all') return ['other']
  if (icmp !== undefined) return [icmp.code === undefined ? 'type' : 'code']
  if (ports === undefined) return ['protocol']
  return [...new Set(ports.map(({ first, last }) => (first === last ? 'port' : 'ports')))]
}

/** Whether the identity form is the cheaper one for a list. Pure. */
export function prefersIdentity(list: ListContent, family: AddressFamily): boolean {
  return identityCostNs(list, family) < linearCostNs(list, family)
}
