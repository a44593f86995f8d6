import { hasPorts, type Packet } from '../packet.ts'
import type { Direction } from '../policy/desired.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { markClass } from '../target/names.ts'
import {
  type Decided,
  IDENTITY_BASE,
  IDENTITY_MASK,
  type IdentityForm,
  type KeyRange,
  type LookupGuard,
  type MarkLookup,
  type VerdictLookup,
} from './form.ts'
import type { ClassMap, CompiledRuleset } from './ruleset.ts'
import { addressValue } from './run-linear.ts'

/** The mark that a packet has when it reaches its list. */
export function markDispatched(direction: Direction, zone: number): number {
  return markClass[direction] + zone
}

type Tables = Pick<CompiledRuleset, 'classes' | 'views'>

/** Runs the look-ups as the kernel does. One that misses, or whose fields the packet does not
 *  have, changes nothing and the next one runs. */
export function runIdentity(
  form: IdentityForm,
  packet: Packet,
  tables: Tables,
  dispatched: number,
): Decided {
  const address = packet[form.side]
  let mark = dispatched
  for (const lookup of form.lookups) {
    if (lookup.sets === 'class') {
      mark = classesOf(tables.classes[packet.family]).get(address) ?? mark
    } else if (lookup.sets === 'view') {
      mark = tables.views.get(lookup.view)?.classes.get(mark) ?? mark
    } else if (passesGuard(lookup.guard, packet, mark)) {
      const key = keyOf(lookup, packet, address, mark)
      const found = key && finderOf(lookup)(key)
      if (found === undefined) continue
      if ('mark' in found) mark = found.mark
      else return found
    }
  }
  return form.rest
}

function passesGuard(guard: LookupGuard, packet: Packet, mark: number): boolean {
  switch (guard) {
    case 'always':
      return true
    case 'ports':
      return hasPorts(packet.protocol)
    case 'icmp':
      return (
        packet.protocol ===
        (packet.family === 'ipv4' ? protocolNumbers.icmp : protocolNumbers.icmpv6)
      )
    case 'no-identity':
      return (mark & IDENTITY_MASK) >>> 0 !== IDENTITY_BASE
  }
}

type Key = readonly (number | bigint)[]

function keyOf(
  lookup: MarkLookup | VerdictLookup,
  packet: Packet,
  address: bigint,
  mark: number,
): Key | undefined {
  const key: (number | bigint)[] = []
  for (const field of lookup.key) {
    const value =
      field === 'mark'
        ? mark
        : field === 'address'
          ? address
          : field === 'protocol'
            ? packet.protocol
            : field === 'port'
              ? packet.destinationPort
              : field === 'icmpType'
                ? packet.icmp?.type
                : packet.icmp?.code
    if (value === undefined) return undefined
    key.push(value)
  }
  return key
}

type Found = { readonly mark: number } | Decided
type Finder = (key: Key) => Found | undefined

const finders = new WeakMap<MarkLookup | VerdictLookup, Finder>()

/** Elements by their exact parts; what is left of the key are ranges to search. */
function finderOf(lookup: MarkLookup | VerdictLookup): Finder {
  const known = finders.get(lookup)
  if (known !== undefined) return known
  const elements: readonly (Found & { readonly key: readonly KeyRange[] })[] = lookup.elements
  const width = lookup.key.length
  const head = lookup.ranged ? width - 1 : width
  const table = new Map<string, (typeof elements)[number][]>()
  for (const element of elements) {
    const exact = element.key.slice(0, head)
    if (exact.some(({ first, last }) => first !== last)) {
      throw new Error(`look-up ${lookup.name}: only the last part of a key may be a range`)
    }
    const text = exact.map(({ first }) => first).join(' ')
    const bucket = table.get(text)
    if (bucket === undefined) table.set(text, [element])
    else bucket.push(element)
  }
  for (const bucket of table.values()) bucket.sort(byLastPart)
  const find: Finder = (key) => {
    const bucket = table.get(key.slice(0, head).join(' '))
    if (bucket === undefined || !lookup.ranged) return bucket?.[0]
    return search(bucket, key[width - 1] ?? -1)
  }
  finders.set(lookup, find)
  return find
}

function byLastPart(
  one: { key: readonly KeyRange[] },
  other: { key: readonly KeyRange[] },
): number {
  return (one.key.at(-1)?.first ?? 0) < (other.key.at(-1)?.first ?? 0) ? -1 : 1
}

/** The element of disjoint ranges in order that holds the value. */
function search<Element extends { readonly key: readonly KeyRange[] }>(
  bucket: readonly Element[],
  value: number | bigint,
): Element | undefined {
  let low = 0
  let high = bucket.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const element = bucket[middle]
    const range = element?.key.at(-1)
    if (element === undefined || range === undefined) return undefined
    if (value < range.first) high = middle - 1
    else if (value > range.last) low = middle + 1
    else return element
  }
  return undefined
}

const classValues = new WeakMap<ClassMap, ReadonlyMap<bigint, number>>()

function classesOf(map: ClassMap): ReadonlyMap<bigint, number> {
  const known = classValues.get(map)
  if (known !== undefined) return known
  const { family, classes } = map
  const values = new Map([...classes].map(([text, number]) => [addressValue(text, family), number]))
  classValues.set(map, values)
  return values
}
