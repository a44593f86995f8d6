import { formatAddress, PurlinError, parseAddress, shortHash } from '@purlin/base'
import { hexadecimal, OWNER_COUNTER, type TableFamily } from '../target/names.ts'
import type { ObservedChain, ObservedTable } from './observed.ts'

interface Listed {
  readonly [key: string]: unknown
}

/** What changes in a listing without anybody changing a rule. It is taken out of the text
 *  before it is parsed: a large host's listing is read after each commit. */
const VOLATILE = /"(?:handle|packets|bytes)": \d+(?:, )?/g

/** Reads what `nft -j list table TABLE purlin` printed. Pure. Errors: PUR_NFT_UNREADABLE. */
export function readTable(table: TableFamily, listing: string): ObservedTable {
  const entries = entriesOf(table, listing)
  const rules = new Map<string, Listed[]>()
  const sets = new Map<string, readonly string[]>()
  const maps = new Map<string, ReadonlyMap<string, string>>()
  const bare: Listed[] = []
  const others: string[] = []
  let owned = false
  for (const [kind, entry] of entries) {
    const name = String(entry.name)
    if (kind === 'rule') listOf(rules, String(entry.chain)).push(entry)
    if (kind === 'chain') bare.push(entry)
    if (kind === 'counter' && name === OWNER_COUNTER) owned = true
    if (!KNOWN_WHOLE.has(kind))
      others.push(`${kind} ${JSON.stringify({ ...entry, elem: undefined })}`)
    if (kind === 'set') sets.set(name, elementsOf(entry).map(keyText).toSorted())
    if (kind === 'map') maps.set(name, mapElements(entry))
  }
  const chains = bare.map((entry) => readChain(table, entry, rules.get(String(entry.name)) ?? []))
  return {
    owned,
    chains: new Map(chains.map((chain) => [`${table}/${chain.name}`, chain])),
    sets,
    maps,
    others,
  }
}

/** Kinds whose every part is kept elsewhere. */
const KNOWN_WHOLE = new Set(['metainfo', 'table', 'chain', 'rule'])

function entriesOf(table: TableFamily, listing: string): [string, Listed][] {
  try {
    const parsed: unknown = JSON.parse(listing.replaceAll(VOLATILE, '').replaceAll(', }', '}'))
    const list = isListed(parsed) ? parsed.nftables : undefined
    if (Array.isArray(list)) {
      return list
        .filter(isListed)
        .flatMap((one) => Object.entries(one))
        .flatMap(([kind, entry]): [string, Listed][] => (isListed(entry) ? [[kind, entry]] : []))
    }
  } catch {
    // Falls through to the error below, which shows what was there instead.
  }
  throw new PurlinError('PUR_NFT_UNREADABLE', {
    message: `nft -j list table ${table} purlin: its answer is no listing: ${listing.slice(0, 120)}`,
  })
}

function readChain(table: TableFamily, entry: Listed, rules: readonly Listed[]): ObservedChain {
  const name = String(entry.name)
  const hook = entry.hook
  const hookText =
    hook === undefined ? undefined : `${hook} ${entry.prio} ${entry.policy ?? 'accept'}`
  const expressions = rules.map((rule) => rule.expr)
  const content = JSON.stringify([
    hookText ?? null,
    rules.map((rule) => [rule.comment ?? null, rule.expr]),
  ])
  return {
    table,
    name,
    hook: hookText,
    ruleIds: rules.map((rule) => String(rule.comment ?? '')),
    fingerprint: shortHash(content, 16),
    references: [...referencesOf(expressions, table)],
  }
}

function referencesOf(value: unknown, table: TableFamily): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (one: unknown): void => {
    if (typeof one === 'string' && one.startsWith('@')) found.add(one.slice(1))
    if (Array.isArray(one)) for (const part of one) visit(part)
    else if (isListed(one)) {
      if (typeof one.target === 'string') found.add(`${table}/${one.target}`)
      for (const part of Object.values(one)) visit(part)
    }
  }
  visit(value)
  return found
}

function elementsOf(entry: Listed): readonly unknown[] {
  const elements = entry.elem
  return Array.isArray(elements) ? elements : []
}

function mapElements(entry: Listed): ReadonlyMap<string, string> {
  const pairs = elementsOf(entry).filter(Array.isArray)
  return new Map(pairs.map(([key, value]) => [keyText(key), valueText(value)]))
}

/** An element's key in the form that our own rule sets use. */
function keyText(element: unknown): string {
  if (typeof element === 'number') return hexadecimal(element)
  if (typeof element === 'string') {
    const address = parseAddress(element)
    return address === undefined ? element : formatAddress(address)
  }
  if (isListed(element) && isListed(element.elem)) return keyText(element.elem.val)
  return JSON.stringify(element)
}

function valueText(value: unknown): string {
  if (typeof value === 'number') return hexadecimal(value)
  if (isListed(value)) {
    for (const verdict of ['goto', 'jump']) {
      const target = value[verdict]
      if (isListed(target)) return `${verdict} ${String(target.target)}`
    }
  }
  return JSON.stringify(value)
}

function listOf(map: Map<string, Listed[]>, key: string): Listed[] {
  const known = map.get(key)
  if (known !== undefined) return known
  const created: Listed[] = []
  map.set(key, created)
  return created
}

function isListed(value: unknown): value is Listed {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
