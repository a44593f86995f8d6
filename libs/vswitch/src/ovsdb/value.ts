/** A value as OVSDB writes it on the wire (RFC 7047 section 5.1). */
export type WireAtom = string | number | boolean | readonly ['uuid' | 'named-uuid', string]
export type WireValue =
  | WireAtom
  | readonly ['set', readonly WireAtom[]]
  | readonly ['map', readonly (readonly [WireAtom, WireAtom])[]]

/** Reference to a row that exists. */
export function uuid(id: string): WireAtom {
  return ['uuid', id]
}

/** Reference to a row that the same transaction inserts under that name. */
export function namedUuid(name: string): WireAtom {
  return ['named-uuid', name]
}

/** A set; an empty one clears an optional column. */
export function setOf(atoms: readonly WireAtom[]): WireValue {
  return ['set', atoms]
}

/** A map of texts. */
export function mapOf(entries: Readonly<Record<string, string>>): WireValue {
  return ['map', Object.entries(entries)]
}

/** The atoms of a column: OVSDB writes a set of one as the bare atom. */
export function atomsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) {
    if (value[0] === 'set' && Array.isArray(value[1])) return value[1]
    if (value[0] === 'map') return []
    return [value]
  }
  return value === undefined || value === null ? [] : [value]
}

/** The ids of a column of references. */
export function referencesOf(value: unknown): readonly string[] {
  return atomsOf(value).flatMap((atom) =>
    Array.isArray(atom) && atom[0] === 'uuid' && typeof atom[1] === 'string' ? [atom[1]] : [],
  )
}

/** The text of a column, or undefined where it is empty. */
export function textOf(value: unknown): string | undefined {
  const [atom] = atomsOf(value)
  return typeof atom === 'string' ? atom : undefined
}

/** The number of a column, or undefined where it is empty. */
export function numberOf(value: unknown): number | undefined {
  const [atom] = atomsOf(value)
  return typeof atom === 'number' ? atom : undefined
}

/** The map of texts of a column. */
export function textMapOf(value: unknown): Readonly<Record<string, string>> {
  if (!Array.isArray(value) || value[0] !== 'map' || !Array.isArray(value[1])) return {}
  return Object.fromEntries(value[1].map(([key, text]) => [String(key), String(text)]))
}

/** A map of numbers to rows, as the queues of a QoS row are. */
export function numberedRows(entries: readonly (readonly [number, WireAtom])[]): WireValue {
  return ['map', entries]
}

/** The rows of a map of numbers to rows. */
export function numberedReferencesOf(value: unknown): ReadonlyMap<number, string> {
  if (!Array.isArray(value) || value[0] !== 'map' || !Array.isArray(value[1])) return new Map()
  return new Map(
    value[1].flatMap(([key, atom]) =>
      Array.isArray(atom) && atom[0] === 'uuid' ? [[Number(key), String(atom[1])] as const] : [],
    ),
  )
}

/** Whether a column of one truth holds. */
export function isTrue(value: unknown): boolean {
  return value === true
}

/** The map of numbers of a column, by their names. */
export function numberMapOf(value: unknown): ReadonlyMap<string, number> {
  if (!Array.isArray(value) || value[0] !== 'map' || !Array.isArray(value[1])) return new Map()
  return new Map(value[1].map(([key, number]) => [String(key), Number(number)]))
}
