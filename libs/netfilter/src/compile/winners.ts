import type { FlatRule } from '../flatten.ts'
import { hasPorts } from '../packet.ts'
import type { PortRange } from '../policy/ranges.ts'

/** A rule by its position in the list; the position behind the last one is the default's. The
 *  lower of two that match wins. */
export type RulePosition = number

/** A run of ports that one rule wins. */
export interface PortRun extends PortRange {
  readonly rule: RulePosition
}

/** Which of some rules wins, by protocol; ports and ICMP types only where a winner differs from
 *  that of the whole protocol. */
export interface Winners {
  /** Of every protocol that no rule of the list names. */
  readonly other: RulePosition
  readonly protocols: ReadonlyMap<number, ProtocolWinners>
}

export interface ProtocolWinners {
  /** Of packets whose port or type nothing is said of, or is not known. */
  readonly whole: RulePosition
  /** Disjoint and in order. */
  readonly ports: readonly PortRun[]
  readonly types: ReadonlyMap<number, TypeWinners>
}

export interface TypeWinners {
  readonly whole: RulePosition
  readonly codes: ReadonlyMap<number, RulePosition>
}

/** The winners among the rules at `positions` (ascending), whoever the peer is. Pure. */
export function winnersOf(
  rules: readonly FlatRule[],
  positions: readonly RulePosition[],
  protocols: readonly number[],
): Winners {
  const none = rules.length
  let other = none
  const byProtocol = new Map<number, RulePosition[]>()
  for (const protocol of protocols) byProtocol.set(protocol, [])
  for (const position of positions) {
    const protocol = rules[position]?.protocol
    if (protocol === undefined) continue
    if (protocol !== 'all') {
      byProtocol.get(protocol)?.push(position)
      continue
    }
    other = position
    for (const list of byProtocol.values()) list.push(position)
    // Whatever stands behind a rule for everything never decides.
    break
  }
  const found = [...byProtocol].map(([protocol, own]): [number, ProtocolWinners] => {
    return [protocol, protocolWinners(rules, own, protocol)]
  })
  return { other, protocols: new Map(found) }
}

function protocolWinners(
  rules: readonly FlatRule[],
  positions: readonly RulePosition[],
  protocol: number,
): ProtocolWinners {
  const none = rules.length
  let whole = none
  const ranges: PortRun[] = []
  const types = new Map<number, { whole: RulePosition; codes: Map<number, RulePosition> }>()
  for (const position of positions) {
    const rule = rules[position]
    if (rule === undefined) continue
    if (rule.ports !== undefined) {
      for (const { first, last } of rule.ports) ranges.push({ first, last, rule: position })
    } else if (rule.icmp !== undefined) {
      const { type, code } = rule.icmp
      const known = types.get(type) ?? { whole: none, codes: new Map<number, RulePosition>() }
      types.set(type, known)
      if (known.whole !== none) continue
      if (code === undefined) known.whole = position
      else if (!known.codes.has(code)) known.codes.set(code, position)
    } else {
      whole = position
      break
    }
  }
  for (const type of types.values()) if (type.whole === none) type.whole = whole
  return { whole, ports: hasPorts(protocol) ? paint(ranges) : [], types }
}

/** First come, first served: each port goes to the first range that holds it. Neighbouring runs of
 *  one rule are one. */
function paint(ranges: readonly PortRun[]): readonly PortRun[] {
  if (ranges.length < 2) return ranges
  const bounds = [...new Set(ranges.flatMap(({ first, last }) => [first, last + 1]))]
  bounds.sort((a, b) => a - b)
  const place = new Map(bounds.map((bound, index) => [bound, index]))
  const owner: (RulePosition | undefined)[] = bounds.map(() => undefined)
  /** The next slot at or behind an index that nobody has taken. */
  const next = bounds.map((_, index) => index)
  const freeFrom = (from: number): number => {
    let at = from
    while (next[at] !== undefined && next[at] !== at) at = next[at] ?? at
    for (let step = from; step < at; ) {
      const following = next[step] ?? at
      next[step] = at
      step = following
    }
    return at
  }
  next.push(bounds.length)
  for (const { first, last, rule } of ranges) {
    const end = place.get(last + 1) ?? 0
    for (let at = freeFrom(place.get(first) ?? 0); at < end; at = freeFrom(at + 1)) {
      owner[at] = rule
      next[at] = at + 1
    }
  }
  const runs: PortRun[] = []
  for (let at = 0; at + 1 < bounds.length; at++) {
    const rule = owner[at]
    const first = bounds[at]
    const last = (bounds[at + 1] ?? 0) - 1
    if (rule === undefined || first === undefined) continue
    const before = runs.at(-1)
    if (before !== undefined && before.rule === rule && before.last + 1 === first) {
      runs[runs.length - 1] = { ...before, last }
    } else runs.push({ first, last, rule })
  }
  return runs
}
