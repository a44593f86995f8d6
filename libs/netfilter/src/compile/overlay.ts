import type { PortRun, ProtocolWinners, RulePosition, TypeWinners, Winners } from './winners.ts'

/** Where what is decided for an identity differs from what is decided for anyone. */
export interface Overlay {
  /** For every protocol that has no entry of its own below. */
  readonly other: RulePosition | undefined
  readonly protocols: readonly { readonly protocol: number; readonly rule: RulePosition }[]
  readonly ports: readonly (PortRun & { readonly protocol: number })[]
  readonly types: readonly { readonly type: number; readonly rule: RulePosition }[]
  readonly codes: readonly {
    readonly type: number
    readonly code: number
    readonly rule: RulePosition
  }[]
}

interface Building {
  other: RulePosition | undefined
  readonly protocols: { protocol: number; rule: RulePosition }[]
  readonly ports: (PortRun & { protocol: number })[]
  readonly types: { type: number; rule: RulePosition }[]
  readonly codes: { type: number; code: number; rule: RulePosition }[]
}

/** Lays the rules of an identity (`own`) over those for anyone (`base`): the entries that are
 *  looked up before those of `base`, from the finest to the coarsest. An entry for a whole
 *  protocol hides all of `base` under it, so whatever else wins there is said again. Pure. */
export function overlay(own: Winners, base: Winners): Overlay {
  const into = empty()
  if (own.other < base.other) into.other = own.other
  for (const [protocol, mine] of own.protocols) {
    const theirs = base.protocols.get(protocol) ?? mine
    const whole = Math.min(mine.whole, theirs.whole)
    const hidden = into.other !== undefined || mine.whole < theirs.whole
    if (into.other === undefined ? mine.whole < theirs.whole : whole !== into.other) {
      into.protocols.push({ protocol, rule: whole })
    }
    overlayPorts(into, protocol, mine, theirs, hidden ? whole : undefined)
    overlayTypes(into, mine, theirs, hidden ? whole : undefined)
  }
  return into
}

/** The rules for anyone as entries behind those of every identity; `rest` is what decides where
 *  none of them is hit. Pure. */
export function baseOverlay(base: Winners): {
  readonly entries: Overlay
  readonly rest: RulePosition
} {
  const into = empty()
  for (const [protocol, { whole, ports, types }] of base.protocols) {
    if (whole !== base.other) into.protocols.push({ protocol, rule: whole })
    for (const run of ports) if (run.rule < whole) into.ports.push({ ...run, protocol })
    for (const [type, one] of types) {
      if (one.whole !== whole) into.types.push({ type, rule: one.whole })
      for (const [code, rule] of one.codes) {
        if (rule < one.whole) into.codes.push({ type, code, rule })
      }
    }
  }
  return { entries: into, rest: base.other }
}

/** How many elements the entries become. */
export function sizeOf({ other, protocols, ports, types, codes }: Overlay): number {
  const single = other === undefined ? 0 : 1
  return single + protocols.length + ports.length + types.length + codes.length
}

function empty(): Building {
  return { other: undefined, protocols: [], ports: [], types: [], codes: [] }
}

/** `behind`: the rule that decides where no entry is hit, or undefined: `base` does. */
function overlayPorts(
  into: Building,
  protocol: number,
  mine: ProtocolWinners,
  theirs: ProtocolWinners,
  behind: RulePosition | undefined,
): void {
  const emit = (first: number, last: number, own: RulePosition, base: RulePosition): void => {
    const rule = Math.min(own, base)
    if (behind === undefined ? own >= base : rule === behind) return
    const before = into.ports.at(-1)
    if (before?.rule === rule && before.protocol === protocol && before.last + 1 === first) {
      into.ports[into.ports.length - 1] = { ...before, last }
    } else into.ports.push({ first, last, rule, protocol })
  }
  const baseAt = behind === undefined ? startOf(theirs.ports, mine.ports[0]?.first) : 0
  mergeRuns(mine, theirs, baseAt, behind !== undefined, emit)
}

/** Walks both lists of runs at once, and calls for each stretch in which neither changes. Where
 *  only `theirs` has a run, it is left out unless `whole` asks for all. */
function mergeRuns(
  mine: ProtocolWinners,
  theirs: ProtocolWinners,
  baseFrom: number,
  all: boolean,
  emit: (first: number, last: number, own: RulePosition, base: RulePosition) => void,
): void {
  let a = 0
  let b = baseFrom
  let at = 0
  while (a < mine.ports.length || (all && b < theirs.ports.length)) {
    const own = mine.ports[a]
    const base = theirs.ports[b]
    const start = Math.min(own?.first ?? 65_536, base?.first ?? 65_536)
    const first = Math.max(at, start)
    const inOwn = own !== undefined && own.first <= first
    const inBase = base !== undefined && base.first <= first
    const ends = [
      own === undefined ? 65_535 : inOwn ? own.last : own.first - 1,
      base === undefined ? 65_535 : inBase ? base.last : base.first - 1,
    ]
    const last = Math.min(...ends)
    if (inOwn || inBase) {
      emit(
        first,
        last,
        inOwn ? Math.min(own.rule, mine.whole) : mine.whole,
        inBase ? Math.min(base.rule, theirs.whole) : theirs.whole,
      )
    }
    at = last + 1
    if (own !== undefined && own.last < at) a++
    if (base !== undefined && base.last < at) b++
  }
}

/** The first run that does not end before a port. */
function startOf(runs: readonly PortRun[], port: number | undefined): number {
  if (port === undefined) return runs.length
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((runs[middle]?.last ?? 0) < port) low = middle + 1
    else high = middle
  }
  return low
}

function overlayTypes(
  into: Building,
  mine: ProtocolWinners,
  theirs: ProtocolWinners,
  behind: RulePosition | undefined,
): void {
  const named =
    behind === undefined ? mine.types.keys() : [...mine.types.keys(), ...theirs.types.keys()]
  for (const type of new Set(named)) {
    const own = mine.types.get(type) ?? plain(mine.whole)
    const base = theirs.types.get(type) ?? plain(theirs.whole)
    const whole = Math.min(own.whole, base.whole)
    const entry = behind === undefined ? own.whole < base.whole : whole !== behind
    if (entry) into.types.push({ type, rule: whole })
    const hides = entry ? whole : behind
    const codes =
      hides === undefined ? own.codes.keys() : [...own.codes.keys(), ...base.codes.keys()]
    for (const code of new Set(codes)) {
      const ofOwn = Math.min(own.codes.get(code) ?? own.whole, own.whole)
      const ofBase = Math.min(base.codes.get(code) ?? base.whole, base.whole)
      const rule = Math.min(ofOwn, ofBase)
      if (hides === undefined ? ofOwn < ofBase : rule !== hides)
        into.codes.push({ type, code, rule })
    }
  }
}

function plain(whole: RulePosition): TypeWinners {
  return { whole, codes: new Map() }
}
