import { foreignText } from '../foreign-text.ts'

/** A member of a JSON object that was sent; undefined for what is no object or has none. */
export function fieldOf(value: unknown, ...names: readonly string[]): unknown {
  let inner: unknown = value
  for (const name of names) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, name)) return undefined
    inner = (inner as Record<string, unknown>)[name]
  }
  return inner
}

/** The first members of a list; none for what is no list. */
export function listOf(value: unknown, lengthMax: number): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, lengthMax) : []
}

/** A text that may be shown; undefined for anything else, and for an empty one. */
export function textOf(value: unknown): string | undefined {
  const text = typeof value === 'string' ? foreignText(value) : ''
  return text === '' ? undefined : text
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** The path of a link; undefined for one that does not stay in the service: a BMC must not choose
 *  who is asked next. */
export function linkOf(value: unknown): string | undefined {
  return pathOf(fieldOf(value, '@odata.id'))
}

/** A path of the service, in the characters of RFC 3986; undefined for anything else. */
export function pathOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 512) return undefined
  const inside = /^\/redfish\/v1(\/[A-Za-z0-9\-._~!$&'()*+,;=:@%]+)*\/?$/.test(value)
  return inside && !value.split('/').includes('..') ? value : undefined
}
