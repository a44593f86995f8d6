import type { AddressFamily } from '@purlin/base'
import { protocolNumbers } from '../policy/protocol.ts'
import type { Decided, KeyField, KeyRange, VerdictElement, VerdictLookup } from './form.ts'
import type { Overlay } from './overlay.ts'
import type { RulePosition } from './winners.ts'

type Decide = (rule: RulePosition) => Decided

/** The look-ups that end in verdicts: those under an identity before those for anyone, in each the
 *  finer before the coarser. Look-ups without elements are left out. Pure. */
export function verdictLookups(
  overlays: ReadonlyMap<number, Overlay>,
  base: Overlay,
  family: AddressFamily,
  decide: Decide,
): readonly VerdictLookup[] {
  const own = new Collector(family, decide, 'own')
  for (const [mark, entries] of overlays) own.add(entries, mark)
  const open = new Collector(family, decide, 'any')
  open.add(base, undefined)
  return [...own.lookups(), ...open.lookups()]
}

/** Elements of one layer by the shape of their keys. */
class Collector {
  readonly #icmp: number
  readonly #decide: Decide
  readonly #layer: 'own' | 'any'
  readonly #port: VerdictElement[] = []
  readonly #ports: VerdictElement[] = []
  readonly #code: VerdictElement[] = []
  readonly #type: VerdictElement[] = []
  readonly #protocol: VerdictElement[] = []
  readonly #other: VerdictElement[] = []

  constructor(family: AddressFamily, decide: Decide, layer: 'own' | 'any') {
    this.#icmp = family === 'ipv4' ? protocolNumbers.icmp : protocolNumbers.icmpv6
    this.#decide = decide
    this.#layer = layer
  }

  add(entries: Overlay, mark: number | undefined): void {
    const head = mark === undefined ? [] : [only(mark)]
    const element = (rule: RulePosition, ...key: KeyRange[]): VerdictElement => {
      return { key: [...head, ...key], ...this.#decide(rule) }
    }
    for (const { protocol, first, last, rule } of entries.ports) {
      const into = first === last ? this.#port : this.#ports
      into.push(element(rule, only(protocol), { first, last }))
    }
    for (const { type, code, rule } of entries.codes) {
      this.#code.push(element(rule, only(this.#icmp), only(type), only(code)))
    }
    for (const { type, rule } of entries.types) {
      this.#type.push(element(rule, only(this.#icmp), only(type)))
    }
    for (const { protocol, rule } of entries.protocols) {
      this.#protocol.push(element(rule, only(protocol)))
    }
    if (entries.other !== undefined) this.#other.push(element(entries.other))
  }

  lookups(): readonly VerdictLookup[] {
    const head: readonly KeyField[] = this.#layer === 'own' ? ['mark'] : []
    const made = (
      name: string,
      fields: readonly KeyField[],
      elements: readonly VerdictElement[],
      guard: VerdictLookup['guard'],
      ranged = false,
    ): VerdictLookup => {
      const key = [...head, ...fields]
      return { sets: 'verdict', name: `${this.#layer}-${name}`, key, ranged, guard, elements }
    }
    return [
      made('port', ['protocol', 'port'], this.#port, 'ports'),
      made('ports', ['protocol', 'port'], this.#ports, 'ports', true),
      made('code', ['protocol', 'icmpType', 'icmpCode'], this.#code, 'icmp'),
      made('type', ['protocol', 'icmpType'], this.#type, 'icmp'),
      made('protocol', ['protocol'], this.#protocol, 'always'),
      made('other', [], this.#other, 'always'),
    ].filter(({ elements }) => elements.length > 0)
  }
}

function only(value: number): KeyRange {
  return { first: value, last: value }
}
