import { type FlatList, flatten } from '../flatten.ts'
import { type Decision, decidingRule, type Walk, walk } from '../interpret.ts'
import type { Packet } from '../packet.ts'
import { builtInFor } from '../policy/built-in.ts'
import type { Direction, FilterAction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'

/** What the list of one end says. */
export interface EndVerdict extends Walk {
  readonly nic: FilteredNic
  readonly direction: Direction
}

export interface VerdictBetween {
  readonly verdict: FilterAction
  /** The end that decided: the first that denies; else the last with groups; else the last. */
  readonly deciding: EndVerdict | undefined
  readonly decidedBy: Decision
  readonly ends: readonly EndVerdict[]
}

const lists = new WeakMap<NetfilterDesired, Map<string, FlatList>>()

/** How the list of one end is asked. */
export type Judge = (list: FlatList, packet: Packet) => Walk

/** The verdict on the first packet of a flow between two ends: the sender's outbound and the
 *  receiver's inbound list must both allow it. An end outside is undefined and has no list.
 *  `judge`: `walk` tells of every rule on the way, `briefWalk` is quicker. Pure. */
export function verdictBetween(
  desired: NetfilterDesired,
  sender: FilteredNic | undefined,
  receiver: FilteredNic | undefined,
  packet: Packet,
  judge: Judge = walk,
): VerdictBetween {
  const verdictOf = (nic: FilteredNic, direction: Direction): EndVerdict => ({
    nic,
    direction,
    ...judge(listOf(desired, nic, direction), packet),
  })
  const ends: EndVerdict[] = []
  if (sender !== undefined) ends.push(verdictOf(sender, 'outbound'))
  if (receiver !== undefined) ends.push(verdictOf(receiver, 'inbound'))
  const denying = ends.find((end) => end.verdict === 'deny')
  const deciding =
    denying ?? ends.findLast((end) => end.decidedBy.type !== 'unfiltered') ?? ends.at(-1)
  return {
    verdict: denying === undefined ? 'allow' : 'deny',
    deciding,
    decidedBy: deciding?.decidedBy ?? { type: 'unfiltered' },
    ends,
  }
}

/** The list of a NIC and direction, worked out once for a desired state, which never changes in
 *  place. Errors: PUR_INVALID. */
export function listOf(
  desired: NetfilterDesired,
  nic: FilteredNic,
  direction: Direction,
): FlatList {
  const known = lists.get(desired) ?? new Map<string, FlatList>()
  lists.set(desired, known)
  const key = `${direction} ${nic.port}`
  const list = known.get(key) ?? flatten(nic, direction, desired)
  known.set(key, list)
  return list
}

/** The same as `walk` without the rules on the way. Pure. */
export function briefWalk(list: FlatList, packet: Packet): Walk {
  const unasked = !list.filtered || packet.state === 'established'
  if (unasked || builtInFor(list.open, packet) !== undefined) return walk(list, packet)
  const rule = decidingRule(list, packet)
  const ground = { steps: [], rule, open: undefined }
  if (rule === undefined) {
    return { ...ground, verdict: list.defaultAction, decidedBy: { type: 'default' } }
  }
  const { group, priority } = rule.provenance
  const decidedBy: Decision =
    priority === 'members' ? { type: 'members', group } : { type: 'rule', group, priority }
  return { ...ground, verdict: rule.action, decidedBy }
}
