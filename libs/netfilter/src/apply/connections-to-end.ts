import { type FlatList, flatten } from '../flatten.ts'
import { type Decision, interpret, walk } from '../interpret.ts'
import type { Packet } from '../packet.ts'
import type { Direction, FilterAction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { directionOf, type TrackedConnection } from './connection.ts'

/** Of the connections that are being tracked, those that a policy refuses and that no group keeps,
 *  with what the other NIC of this host holds of them: were that left, the other end's next packet
 *  would pass as an answer. `before` is the policy that was in force until now; undefined where
 *  nobody knows. Entries outside the NICs' zones are never among them. Pure.
 *
 *  A connection that the change refuses stays where `keepEstablished` is set in the one group whose
 *  change refuses it: the group whose rule (or member) let it begin and no longer does, else the
 *  group whose new rule denies it. What a change of the NIC refuses (groups attached, detached or
 *  reordered, another default) always ends. What was refused already, or begun under rules that
 *  nobody knows any more, stays where any group of the NIC keeps connections. */
export function connectionsToEnd<Connection extends TrackedConnection>(
  before: NetfilterDesired | undefined,
  after: NetfilterDesired,
  connections: readonly Connection[],
): readonly Connection[] {
  const judge = new Judge(before, after)
  const zones = new Set(after.nics.map((nic) => nic.zone))
  const refused = new Set(
    connections.filter((one) => judge.ends(one)).map(({ original }) => flowOf(original)),
  )
  if (refused.size === 0) return []
  return connections.filter((one) => zones.has(one.zone) && refused.has(flowOf(one.original)))
}

class Judge {
  readonly #before: NetfilterDesired | undefined
  readonly #after: NetfilterDesired
  readonly #formerNics: ReadonlyMap<string, FilteredNic>
  readonly #nics: ReadonlyMap<number, FilteredNic>
  readonly #lists = new Map<string, FlatList>()
  readonly #formerLists = new Map<string, FlatList>()

  constructor(before: NetfilterDesired | undefined, after: NetfilterDesired) {
    this.#before = before
    this.#after = after
    this.#formerNics = new Map(before?.nics.map((nic) => [nic.port, nic]))
    this.#nics = new Map(after.nics.map((nic) => [nic.zone, nic]))
  }

  ends(connection: TrackedConnection): boolean {
    const nic = this.#nics.get(connection.zone)
    if (nic === undefined) return false
    const direction = directionOf(nic, connection)
    const list = this.#listOf(nic, direction, this.#after)
    if (interpret(list, connection.original) === 'allow') return false
    return !this.#isKept(nic, direction, connection.original)
  }

  #isKept(nic: FilteredNic, direction: Direction, packet: Packet): boolean {
    const keeps = (group: string): boolean =>
      this.#after.groups.get(group)?.keepEstablished === true
    const former = this.#formerNics.get(nic.port)
    const formerList = former && this.#before && this.#listOf(former, direction, this.#before)
    const formerWalk = formerList && walk(formerList, packet)
    if (former === undefined || formerList === undefined || formerWalk?.verdict !== 'allow') {
      return nic.groups.some(keeps)
    }
    const list = this.#listOf(nic, direction, this.#after)
    const opener = groupOf(formerWalk.decidedBy)
    if (opener !== undefined && answerOf(list, opener, packet) !== 'allow') {
      return nic.groups.includes(opener) && keeps(opener)
    }
    const refuser = groupOf(walk(list, packet).decidedBy)
    if (refuser === undefined || !former.groups.includes(refuser)) return false
    return answerOf(formerList, refuser, packet) !== 'deny' && keeps(refuser)
  }

  #listOf(nic: FilteredNic, direction: Direction, desired: NetfilterDesired): FlatList {
    // A NIC that did not change is one value in both policies, though its groups may differ.
    const lists = desired === this.#after ? this.#lists : this.#formerLists
    const key = `${nic.port} ${direction}`
    const list = lists.get(key) ?? flatten(nic, direction, desired)
    lists.set(key, list)
    return list
  }
}

function groupOf(decision: Decision): string | undefined {
  return decision.type === 'rule' || decision.type === 'members' ? decision.group : undefined
}

/** What the rules of one group alone say; undefined where none of them matches. */
function answerOf(list: FlatList, group: string, packet: Packet): FilterAction | undefined {
  const rules = list.rules.filter((rule) => rule.provenance.group === group)
  const { decidedBy, verdict } = walk({ ...list, rules }, packet)
  return groupOf(decidedBy) === undefined ? undefined : verdict
}

function flowOf({ family, source, destination, protocol, ...rest }: Packet): string {
  const { sourcePort, destinationPort, icmp } = rest
  return [family, source, destination, protocol, sourcePort, destinationPort, icmp?.type].join(' ')
}
