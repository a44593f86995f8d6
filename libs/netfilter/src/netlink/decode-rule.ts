import type { Field, LookupKey, Rule, Statement, Value } from '../target/statement.ts'
import { formOf, readValue } from '../target/values.ts'
import {
  comparison,
  dataAttribute,
  expressionAttribute,
  LIST_ITEM,
  ruleAttribute,
  ruleUserData,
} from './constants.ts'
import { noteText, type RawElement, readVerdict } from './decode-set.ts'
import { bitsOf, byKey, networkOf, rangeMatch, valuesOf } from './decode-values.ts'
import { ctKey, fieldAt, fieldOfKey, type Header, metaKey } from './fields.ts'
import { Attributes } from './reader.ts'

/** Elements of the anonymous sets of a table by their names. */
export type AnonymousElements = ReadonlyMap<string, readonly RawElement[]>

interface Expression {
  readonly name: string
  readonly content: Attributes
}

/** A rule as our model says it, or undefined where it holds what the model cannot say. */
export function readRule(rule: Attributes, anonymous: AnonymousElements): Rule | undefined {
  const id = noteText(rule.bytes(ruleAttribute.userData), ruleUserData.comment) ?? ''
  const expressions: Expression[] = []
  rule.nested(ruleAttribute.expressions)?.each((type, bytes) => {
    if (type !== LIST_ITEM) return
    const item = new Attributes(bytes)
    const name = item.text(expressionAttribute.name) ?? ''
    const content = item.nested(expressionAttribute.content) ?? NOTHING
    expressions.push({ name, content })
  })
  const statements = new RuleReader(expressions, anonymous).read()
  return statements && { id, statements }
}

const NOTHING = new Attributes(new Uint8Array(0))

interface Loaded {
  readonly field: Field
  /** Bytes that were read; fewer than the field has where only a network's are compared. */
  readonly length: number
  /** Where a header's bytes were read: more than one field may lie in them. */
  readonly place: { readonly base: number; readonly offset: number } | undefined
}

/** Walks the expressions of one rule. */
class RuleReader {
  readonly #expressions: readonly Expression[]
  readonly #anonymous: AnonymousElements
  readonly #headers = new Set<Header>(['ether'])
  #at = 0

  constructor(expressions: readonly Expression[], anonymous: AnonymousElements) {
    this.#expressions = expressions
    this.#anonymous = anonymous
  }

  read(): readonly Statement[] | undefined {
    const statements: Statement[] = []
    while (this.#at < this.#expressions.length) {
      const found = this.#statement()
      if (found === undefined) return undefined
      statements.push(...found)
    }
    return statements
  }

  #next(): Expression | undefined {
    return this.#expressions[this.#at++]
  }

  #peek(name: string): Expression | undefined {
    const next = this.#expressions[this.#at]
    return next?.name === name ? next : undefined
  }

  #statement(): readonly Statement[] | undefined {
    const next = this.#next()
    if (next === undefined) return undefined
    const { name, content } = next
    switch (name) {
      case 'counter':
        return [{ kind: 'counter' }]
      case 'limit':
        return readLimit(content)
      case 'log':
        return [{ kind: 'log', group: content.u16(1) ?? 0, prefix: content.text(2) ?? '' }]
      case 'immediate':
        return this.#immediate(content)
      case 'ct':
        if (content.has(1) && content.u32(2) === ctKey.mark) return this.#restoredMark()
        this.#at--
        return this.#loaded()
      case 'meta':
      case 'payload':
        this.#at--
        return this.#loaded()
      default:
        return undefined
    }
  }

  #restoredMark(): readonly Statement[] | undefined {
    const store = this.#next()
    const isMark = store?.name === 'meta' && store.content.u32(2) === metaKey.mark
    return isMark && isStore(store) ? [{ kind: 'restore-mark' }] : undefined
  }

  #immediate(content: Attributes): readonly Statement[] | undefined {
    const data = content.nested(2)
    if (data === undefined) return undefined
    const verdict = readVerdict(data)
    if (verdict !== undefined) return [{ kind: 'verdict', to: verdict }]
    const bytes = data.bytes(dataAttribute.value)
    const store = this.#next()
    if (bytes === undefined || store === undefined || !isStore(store)) {
      return undefined
    }
    const key = store.content.u32(2)
    if (store.name === 'meta' && key === metaKey.mark && bytes.length === 4) {
      return [{ kind: 'set-mark', to: Number(readValue(bytes, formOf('meta mark'), 0)) }]
    }
    if (store.name === 'ct' && key === ctKey.zone && bytes.length === 2) {
      return [{ kind: 'set-zone', zone: (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8) }]
    }
    return undefined
  }

  #loaded(): readonly Statement[] | undefined {
    const loads: Loaded[] = []
    let networkOrder = false
    while (this.#isLoad()) {
      const load = this.#load(loads.at(-1)?.field)
      if (load === undefined) return undefined
      loads.push(load)
      if (this.#peek('byteorder') !== undefined) {
        networkOrder = true
        this.#at++
      }
    }
    const [first] = loads
    if (first === undefined) return undefined
    const key = { fields: loads.map(({ field }) => field), ...(networkOrder && ORDERED) }
    const lookup = this.#peek('lookup')
    if (lookup !== undefined && (loads.length > 1 || !isAnonymous(lookup))) {
      this.#at++
      return this.#lookup(key, lookup.content)
    }
    if (loads.length > 1) return undefined
    const keep = this.#peek('ct')
    if (keep?.content.has(4) === true && first.field === 'meta mark') {
      this.#at++
      return keep.content.u32(2) === ctKey.mark ? [{ kind: 'keep-mark' }] : undefined
    }
    return this.#match(first)
  }

  #isLoad(): boolean {
    const next = this.#expressions[this.#at]
    return next !== undefined && STORE.has(next.name) && !isStore(next)
  }

  /** `before`: the part of the key that stands before this one. */
  #load(before: Field | undefined): Loaded | undefined {
    const next = this.#next()
    if (next === undefined) return undefined
    const { name, content } = next
    if (name === 'payload') {
      const [base, offset, length] = [content.u32(2) ?? 0, content.u32(3) ?? 0, content.u32(4) ?? 0]
      // Behind the protocol stand the ports of any that has some, unless another header was told.
      const ofKey = before === 'meta l4proto' ? TRANSPORT : NO_HEADERS
      const field = fieldAt(base, offset, this.#headers) ?? fieldAt(base, offset, ofKey)
      return field && { field, length, place: { base, offset } }
    }
    const field = fieldOfKey(name === 'meta' ? 'meta' : 'ct', content.u32(2) ?? -1)
    return field && { field, length: formOf(field).length, place: undefined }
  }

  #lookup(key: LookupKey, content: Attributes): readonly Statement[] | undefined {
    const name = content.text(1) ?? ''
    const into = content.u32(3)
    const inverted = (content.u32(5) ?? 0) !== 0
    if (into === undefined) {
      return [{ kind: 'lookup', ...key, operator: inverted ? '!=' : '==', set: name }]
    }
    if (into === 0) return [{ kind: 'verdict-map', ...key, map: name }]
    const store = this.#next()
    if (store?.name !== 'meta' || store.content.u32(2) !== metaKey.mark) return undefined
    return [{ kind: 'set-mark', to: { ...key, map: name } }]
  }

  #match(load: Loaded): readonly Statement[] | undefined {
    const form = formOf(load.field)
    const mask = this.#mask()
    const next = this.#next()
    if (next === undefined) return undefined
    const { name, content } = next
    if (name === 'lookup') return this.#anonymousLookup(load, mask, content)
    if (name === 'range') return [rangeMatch(load.field, '!=', form, content, 3, 4)]
    if (name !== 'cmp') return undefined
    const operator = content.u32(2)
    const bytes = content.nested(3)?.bytes(dataAttribute.value)
    if (bytes === undefined) return undefined
    if (operator === comparison.greaterOrEqual) {
      const upper = this.#next()
      const last = upper?.content.nested(3)?.bytes(dataAttribute.value)
      if (upper?.content.u32(2) !== comparison.lessOrEqual || last === undefined) return undefined
      const values = [{ first: readValue(bytes, form, 0), last: readValue(last, form, 0) }]
      return [{ kind: 'match', field: load.field, operator: '==', values }]
    }
    if (operator !== comparison.equal && operator !== comparison.notEqual) return undefined
    const compared = operator === comparison.equal ? '==' : '!='
    return this.#compared(load, compared, bytes, mask)
  }

  #mask(): Uint8Array | undefined {
    const next = this.#peek('bitwise')
    const mask = next?.content.nested(4)?.bytes(dataAttribute.value)
    if (mask !== undefined) this.#at++
    return mask
  }

  #compared(
    load: Loaded,
    operator: '==' | '!=',
    bytes: Uint8Array,
    mask: Uint8Array | undefined,
  ): readonly Statement[] | undefined {
    const { field, length, place } = load
    const form = formOf(field)
    if (form.kind === 'name') {
      const name = readValue(bytes, { ...form, length: bytes.length }, 0)
      const value = bytes.length < form.length ? `${name}*` : name
      return [{ kind: 'match', field, operator, values: [{ first: value, last: value }] }]
    }
    if (form.kind === 'ipv4' || form.kind === 'ipv6') {
      const prefix = mask === undefined ? Math.min(length, form.length) * 8 : bitsOf(mask)
      if (length <= form.length && prefix < form.length * 8) {
        return [{ kind: 'match', field, operator, values: [networkOf(bytes, form, prefix)] }]
      }
    } else if (mask !== undefined) {
      const value = readValue(bytes, form, 0)
      const values = [{ first: value, last: value }]
      return [{ kind: 'match', field, mask: Number(readValue(mask, form, 0)), operator, values }]
    }
    return place === undefined || operator === '!='
      ? this.#one(field, operator, readValue(bytes, form, 0))
      : this.#side(load, place, bytes)
  }

  /** Fields side by side that were compared at once. */
  #side(
    load: Loaded,
    place: { base: number; offset: number },
    bytes: Uint8Array,
  ): readonly Statement[] | undefined {
    const statements: Statement[] = []
    let field: Field | undefined = load.field
    let at = 0
    while (at < bytes.length) {
      if (field === undefined) return undefined
      const form = formOf(field)
      if (at + form.length > bytes.length) return undefined
      statements.push(...this.#one(field, '==', readValue(bytes, form, at)))
      at += form.length
      field = fieldAt(place.base, place.offset + at, this.#headers)
    }
    return statements
  }

  #one(field: Field, operator: '==' | '!=', value: Value): readonly Statement[] {
    if (operator === '==') this.#learn(field, value)
    return [{ kind: 'match', field, operator, values: [{ first: value, last: value }] }]
  }

  /** What a match tells of the headers behind it. */
  #learn(field: Field, value: Value): void {
    const known = learned.get(`${field} ${value}`)
    if (known !== undefined) this.#headers.add(known)
    if (field !== 'meta l4proto') return
    this.#headers.delete('icmp')
    this.#headers.delete('icmpv6')
    this.#headers.delete('transport')
    this.#headers.add(known ?? 'transport')
  }

  #anonymousLookup(
    { field }: Loaded,
    mask: Uint8Array | undefined,
    content: Attributes,
  ): readonly Statement[] | undefined {
    const raw = this.#anonymous.get(content.text(1) ?? '')
    const form = formOf(field)
    if (raw === undefined) return undefined
    if (content.u32(3) === 0) {
      const map = raw.toSorted(byKey).map(({ key, value }) => {
        const at = readValue(key, form, 0)
        return { key: [{ first: at, last: at }], ...(value !== undefined && { value }) }
      })
      return [{ kind: 'verdict-map', fields: [field], map }]
    }
    if (field === 'meta l4proto') this.#headers.add('transport')
    const operator = (content.u32(5) ?? 0) === 0 ? '==' : '!='
    const values = valuesOf(raw, form)
    const masked = mask && { mask: Number(readValue(mask, form, 0)) }
    return [{ kind: 'match', field, ...masked, operator, values }]
  }
}

/** The attribute that tells a write from a read. */
const STORE: ReadonlyMap<string, number> = new Map([
  ['meta', 3],
  ['ct', 4],
  ['payload', 5],
])
const TRANSPORT: ReadonlySet<Header> = new Set(['transport'])
const NO_HEADERS: ReadonlySet<Header> = new Set()
const ORDERED = { networkOrder: true } as const

/** Fields that tell, by a value, which header follows. */
const learned: ReadonlyMap<string, Header> = new Map([
  ['meta nfproto 2', 'ip'],
  ['meta nfproto 10', 'ip6'],
  ['meta protocol 2048', 'ip'],
  ['meta protocol 34525', 'ip6'],
  ['meta protocol 2054', 'arp'],
  ['ether type 2048', 'ip'],
  ['ether type 34525', 'ip6'],
  ['ether type 2054', 'arp'],
  ['meta l4proto 1', 'icmp'],
  ['meta l4proto 58', 'icmpv6'],
])

function isStore({ name, content }: Expression): boolean {
  return content.has(STORE.get(name) ?? 0)
}

function isAnonymous({ content }: Expression): boolean {
  return content.text(1)?.startsWith('__') === true
}

function readLimit(content: Attributes): readonly Statement[] | undefined {
  const [rate, unit] = [content.u64(1) ?? 0n, content.u64(2) ?? 0n]
  if (unit !== 1n || (content.u32(4) ?? 0) !== 0 || (content.u32(5) ?? 0) !== 0) return undefined
  return [{ kind: 'limit', packetsPerSecond: Number(rate), burstPackets: content.u32(3) ?? 0 }]
}
