import { isDeepStrictEqual } from 'node:util'

/** A field that differs between two values: its path, and both sides. */
export interface FieldDifference {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** The deepest fields in which two JSON values differ, in the order of the text. Lists of equal
 *  length are compared item by item, others as a whole. Pure. */
export function fieldDifferences(before: unknown, after: unknown, path = ''): FieldDifference[] {
  if (isDeepStrictEqual(before, after)) return []
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    return before.flatMap((item, index) =>
      fieldDifferences(item, after[index], `${path}[${index}]`),
    )
  }
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    return keys.flatMap((key) =>
      fieldDifferences(before[key], after[key], path === '' ? key : `${path}.${key}`),
    )
  }
  return [{ path, before: before ?? null, after: after ?? null }]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
