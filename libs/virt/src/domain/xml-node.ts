import { XMLParser } from 'fast-xml-parser'

const LISTS = new Set(['disk', 'interface', 'serial', 'channel', 'graphics', 'controller'])

const parser = new XMLParser({
  attributeNamePrefix: '@',
  textNodeName: '#',
  ignoreAttributes: false,
  parseTagValue: false,
  parseAttributeValue: false,
  htmlEntities: true,
  trimValues: false,
  isArray: (name, path) => LISTS.has(name) && String(path) === `domain.devices.${name}`,
})

/** The tree of a text of XML; undefined where it is none. Attributes begin with `@`, text is
 *  `#`. */
export function parseXml(xml: string): unknown {
  try {
    return parser.parse(xml)
  } catch {
    return undefined
  }
}

/** A part of a node; undefined where there is none. */
export function child(node: unknown, key: string): unknown {
  return node !== null && typeof node === 'object' && Object.hasOwn(node, key)
    ? (node as Record<string, unknown>)[key]
    : undefined
}

/** Parts of one name. */
export function list(node: unknown, key: string): readonly unknown[] {
  const found = child(node, key)
  if (found === undefined) return []
  return Array.isArray(found) ? found : [found]
}

/** The text of a node; empty where there is none. */
export function text(node: unknown): string {
  if (typeof node === 'string') return node
  const inner = child(node, '#')
  return typeof inner === 'string' ? inner : ''
}

/** The number that an attribute or text says; undefined where there is none. */
export function number(node: unknown): number | undefined {
  const said = text(node)
  return said === '' ? undefined : Number(said)
}

const KIB_OF_UNIT: Readonly<Record<string, number>> = {
  b: 1 / 1024,
  bytes: 1 / 1024,
  KiB: 1,
  k: 1,
  MiB: 1024,
  M: 1024,
  GiB: 1024 ** 2,
  G: 1024 ** 2,
  TiB: 1024 ** 3,
  T: 1024 ** 3,
}

/** An amount of memory with its unit, in MiB; 0 where there is none. */
export function memoryMiB(memory: unknown): number {
  const unit = text(child(memory, '@unit')) || 'KiB'
  return (Number(text(memory)) * (KIB_OF_UNIT[unit] ?? Number.NaN)) / 1024
}
