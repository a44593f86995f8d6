import type { Packet } from '../packet.ts'
import type { Direction } from '../policy/desired.ts'
import type { Decided } from './form.ts'
import type { CompiledRuleset } from './ruleset.ts'
import { markDispatched, runIdentity } from './run-identity.ts'
import { holdsAll } from './run-linear.ts'

/** Walks a compiled rule set as the kernel does: what passes unasked, dispatch of the NIC, the
 *  chain of the family, rule by rule or look-up by look-up, with the packet's mark as the only
 *  memory. It knows nothing of groups, priorities or provenance, so it can be held against
 *  `interpret`. Undefined for a NIC that the rule set does not have. */
export function evaluate(
  ruleset: CompiledRuleset,
  port: string,
  direction: Direction,
  packet: Packet,
): 'accept' | 'drop' | undefined {
  return decide(ruleset, port, direction, packet)?.verdict
}

/** The same, with the id of what decides and whether it is logged. */
export function decide(
  ruleset: CompiledRuleset,
  port: string,
  direction: Direction,
  packet: Packet,
): Decided | undefined {
  const nic = ruleset.nics.find((one) => one.port === port)
  if (nic === undefined) return undefined
  if (nic.lists === undefined) return passed('unfiltered')
  if (packet.state === 'established') return passed('established')
  const open = ruleset.opens.get(nic.opens?.[direction] ?? '')?.[packet.family] ?? []
  const passing = open.find(({ matches }) => holdsAll(matches, packet, ruleset))
  if (passing !== undefined) return passing
  const form = ruleset.lists.get(nic.lists[direction])?.[packet.family]
  if (form === undefined) return { id: 'no-list', verdict: 'drop', log: false }
  if (form.form === 'identity') {
    return runIdentity(form, packet, ruleset, markDispatched(direction, nic.zone))
  }
  const decided = form.rules.find(({ matches }) => holdsAll(matches, packet, ruleset))
  return decided ?? { id: 'no-rule', verdict: 'drop', log: false }
}

function passed(id: string): Decided {
  return { id, verdict: 'accept', log: false }
}
