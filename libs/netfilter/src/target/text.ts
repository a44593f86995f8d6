import type { TableFamily } from './names.ts'
import { hexadecimal, TABLE_NAME } from './names.ts'
import type {
  Chain,
  Field,
  MatchStatement,
  Rule,
  SetElement,
  SetShape,
  Statement,
  Value,
} from './statement.ts'
import {
  fieldRangeText,
  fieldValueText,
  keyRangeText,
  valueText,
  verdictText,
} from './value-text.ts'

/** A rule as nft shows it and takes it: what it would add by itself (`meta nfproto ipv4` before an
 *  IPv4 address) is left out, so the kernel's rule is the same again. */
export function ruleText(rule: Pick<Rule, 'statements'>): string {
  return new RuleText(rule.statements).text()
}

const IPV4 = 2
const IPV6 = 10
/** Values after which nft reads a port as that protocol's. */
const portProtocols: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }
const impliedNetworks: Readonly<Record<string, string>> = {
  [`meta nfproto ${IPV4}`]: 'ip ',
  [`meta nfproto ${IPV6}`]: 'ip6 ',
  [`meta protocol ${0x800}`]: 'ip ',
  [`meta protocol ${0x86dd}`]: 'ip6 ',
  [`ether type ${0x806}`]: 'arp ',
}
/** What nft puts before an ICMP header, by what stands in our rule. */
const impliedIcmp: Readonly<Record<string, { protocol: number; header: string }>> = {
  [`meta nfproto ${IPV4}`]: { protocol: 1, header: 'icmp ' },
  [`meta nfproto ${IPV6}`]: { protocol: 58, header: 'icmpv6 ' },
  [`ether type ${0x800}`]: { protocol: 1, header: 'icmp ' },
  [`ether type ${0x86dd}`]: { protocol: 58, header: 'icmpv6 ' },
}

class RuleText {
  readonly #statements: readonly Statement[]
  readonly #parts: string[] = []
  #protocol: number | undefined

  constructor(statements: readonly Statement[]) {
    this.#statements = statements
  }

  text(): string {
    this.#statements.forEach((statement, at) => {
      if (statement.kind !== 'match') this.#parts.push(this.#statement(statement))
      else if (!this.#isImplied(statement, at)) this.#parts.push(this.#match(statement))
      if (statement.kind === 'match' && statement.field === 'meta l4proto') {
        const [value] = singleOf(statement)
        this.#protocol = value === undefined ? undefined : Number(value)
      }
    })
    return this.#parts.join(' ')
  }

  #isImplied(statement: MatchStatement, at: number): boolean {
    const [value] = singleOf(statement)
    if (value === undefined) return false
    const said = `${statement.field} ${value}`
    const next = firstField(this.#statements[at + 1])
    const network = impliedNetworks[said]
    if (network !== undefined && next?.startsWith(network) === true) return true
    if (statement.field === 'meta l4proto') {
      if (next === undefined) return false
      if (portProtocols[Number(value)] !== undefined) {
        return next.startsWith('th ') || (next === 'tcp flags' && value === 6)
      }
      // Of an ICMP header nft says the network layer too, unless that is known already.
      return next.startsWith(value === 1 ? 'icmp ' : 'icmpv6 ') && this.#knowsNetwork(at)
    }
    const icmp = impliedIcmp[said]
    if (icmp === undefined) return false
    const protocol = this.#statements[at + 1]
    const after = firstField(this.#statements[at + 2])
    return (
      protocol?.kind === 'match' &&
      protocol.field === 'meta l4proto' &&
      singleOf(protocol)[0] === icmp.protocol &&
      after?.startsWith(icmp.header) === true
    )
  }

  #knowsNetwork(at: number): boolean {
    return this.#statements
      .slice(0, at)
      .some(
        (one) =>
          one.kind === 'match' &&
          ['meta nfproto', 'meta protocol', 'ether type'].includes(one.field) &&
          singleOf(one).length === 1,
      )
  }

  #match({ field, mask, operator, values }: MatchStatement): string {
    const name = this.#fieldText(field)
    if (field === 'ct state' && mask !== undefined) {
      // Any of the bits, in nft's own way of saying it.
      return `ct state ${fieldValueText(field, mask)}`
    }
    const texts = values.map((range) => fieldRangeText(field, range))
    const compared = texts.length === 1 ? texts.join() : `{ ${texts.join(', ')} }`
    if (mask === undefined) return `${name} ${operator === '==' ? '' : '!= '}${compared}`
    const bits = field === 'tcp flags' ? `(${fieldValueText(field, mask)})` : hexadecimal(mask)
    return `${name} & ${bits} ${operator} ${compared}`
  }

  #fieldText(field: Field): string {
    const protocol = portProtocols[this.#protocol ?? 0]
    if (field.startsWith('th ') && protocol !== undefined) return field.replace('th', protocol)
    return field === 'icmpv6 target' ? '@th,64,128' : bare(field)
  }

  #fields(fields: readonly Field[]): string {
    return fields.map((field) => this.#fieldText(field)).join(' . ')
  }

  #statement(statement: Exclude<Statement, MatchStatement>): string {
    switch (statement.kind) {
      case 'lookup': {
        const not = statement.operator === '==' ? '' : '!= '
        return `${this.#fields(statement.fields)} ${not}@${statement.set}`
      }
      case 'verdict-map': {
        const { map, fields } = statement
        const place = typeof map === 'string' ? `@${map}` : anonymousMapText(fields, map)
        return `${this.#fields(fields)} vmap ${place}`
      }
      case 'set-mark': {
        const { to } = statement
        if (typeof to === 'number') return `meta mark set ${hexadecimal(to)}`
        return `meta mark set ${this.#fields(to.fields)} map @${to.map}`
      }
      case 'set-zone':
        return `ct zone set ${statement.zone}`
      case 'keep-mark':
        return 'ct mark set meta mark'
      case 'restore-mark':
        return 'meta mark set ct mark'
      case 'counter':
        return 'counter'
      case 'limit':
        return `limit rate ${statement.packetsPerSecond}/second burst ${statement.burstPackets} packets`
      case 'log':
        return `log prefix "${statement.prefix}" group ${statement.group}`
      case 'verdict':
        return verdictText(statement.to)
    }
  }
}

/** nft shows the names of interfaces without `meta`. */
function bare(field: Field): string {
  return field === 'meta iifname' || field === 'meta oifname' ? field.slice('meta '.length) : field
}

function singleOf({ operator, mask, values }: MatchStatement): readonly Value[] {
  const [only] = values
  if (operator !== '==' || mask !== undefined || values.length !== 1) return []
  return only === undefined || only.first !== only.last ? [] : [only.first]
}

function firstField(statement: Statement | undefined): Field | undefined {
  switch (statement?.kind) {
    case 'match':
      return statement.field
    case 'lookup':
    case 'verdict-map':
      return statement.fields[0]
    case 'set-mark':
      return typeof statement.to === 'number' ? undefined : statement.to.fields[0]
    default:
      return undefined
  }
}

function anonymousMapText(fields: readonly Field[], elements: readonly SetElement[]): string {
  const texts = elements.map(({ key, value }) => {
    const keys = key.map((range, at) => fieldRangeText(fields[at] ?? 'meta mark', range))
    return `${keys.join(' . ')} : ${elementValueText(value)}`
  })
  return `{ ${texts.join(', ')} }`
}

/** An element as nft takes it: `KEY . KEY [comment "…"] [: VALUE]`. */
export function elementText(set: SetShape, element: SetElement): string {
  const comment = element.comment === undefined ? '' : ` comment "${element.comment}"`
  const value = element.value === undefined ? '' : ` : ${elementValueText(element.value)}`
  return `${elementKeyText(set, element)}${comment}${value}`
}

/** An element's key as nft takes it. */
export function elementKeyText(set: SetShape, element: SetElement): string {
  return element.key.map((range, at) => keyRangeText(set.key[at] ?? 'mark', range)).join(' . ')
}

function elementValueText(value: SetElement['value']): string {
  if (value === undefined) return ''
  return typeof value === 'number' ? valueText('mark', value) : verdictText(value)
}

/** `TYPE . TYPE [: VALUE]; flags interval; counter;`. */
export function setShapeText({ key, value, interval, counter, comment }: SetShape): string {
  const leads = value === undefined ? '' : ` : ${value}`
  return [
    `type ${key.join(' . ')}${leads};`,
    ...(interval ? ['flags interval;'] : []),
    ...(counter ? ['counter;'] : []),
    ...(comment === undefined ? [] : [`comment "${comment}";`]),
  ].join(' ')
}

/** `add chain`, with its hook where it is a base chain. */
export function addChainText(chain: Omit<Chain, 'rules'>): string {
  const place = `add chain ${placeText(chain.table, chain.name)}`
  if (chain.hook === undefined) return place
  const { hook, priority } = chain.hook
  return `${place} { type filter hook ${hook} priority ${priority}; policy accept; }`
}

/** `TABLE purlin NAME`. */
export function placeText(table: TableFamily, name: string): string {
  return `${table} ${TABLE_NAME} ${name}`
}
