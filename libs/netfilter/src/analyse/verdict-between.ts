import { flatten } from '../flatten.ts'
import { type Decision, type Walk, walk } from '../interpret.ts'
import type { Packet } from '../packet.ts'
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

/** The verdict on the first packet of a flow between two ends: the sender's outbound and the
 *  receiver's inbound list must both allow it. An end outside is undefined and has no list.
 *  Pure. */
export function verdictBetween(
  desired: NetfilterDesired,
  sender: FilteredNic | undefined,
  receiver: FilteredNic | undefined,
  packet: Packet,
): VerdictBetween {
  const ends: EndVerdict[] = []
  if (sender !== undefined) ends.push(endVerdict(desired, sender, 'outbound', packet))
  if (receiver !== undefined) ends.push(endVerdict(desired, receiver, 'inbound', packet))
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

function endVerdict(
  desired: NetfilterDesired,
  nic: FilteredNic,
  direction: Direction,
  packet: Packet,
): EndVerdict {
  return { nic, direction, ...walk(flatten(nic, direction, desired), packet) }
}
