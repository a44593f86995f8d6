/** More edits than this are merged into a map of their own: until then each edit copies them. */
const EDITS_MAX = 48
/** A smaller map is copied as fast. */
const SIZE_MIN = 96

/** The map with some of its values replaced, added or, where undefined, taken out. The former one
 *  stays as it is; of a large one nothing is copied, so that a change costs what is changed. */
export function editedMap<Key, Value>(
  former: ReadonlyMap<Key, Value>,
  edits: Iterable<readonly [Key, Value | undefined]>,
): ReadonlyMap<Key, Value> {
  const made = new EditedMap(former, edits)
  return made.isWorthwhile ? made : new Map(made)
}

class EditedMap<Key, Value> implements ReadonlyMap<Key, Value> {
  readonly size: number
  readonly #base: ReadonlyMap<Key, Value>
  readonly #edits: Map<Key, Value | undefined>

  constructor(former: ReadonlyMap<Key, Value>, edits: Iterable<readonly [Key, Value | undefined]>) {
    const isEdited = former instanceof EditedMap
    this.#base = isEdited ? former.#base : former
    this.#edits = new Map(isEdited ? former.#edits : undefined)
    let { size } = former
    for (const [key, value] of edits) {
      size += Number(value !== undefined) - Number(this.has(key))
      this.#edits.set(key, value)
    }
    this.size = size
  }

  get isWorthwhile(): boolean {
    return this.size >= SIZE_MIN && this.#edits.size <= EDITS_MAX
  }

  get(key: Key): Value | undefined {
    const value = this.#edits.get(key)
    return value !== undefined || this.#edits.has(key) ? value : this.#base.get(key)
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined
  }

  *entries(): MapIterator<[Key, Value]> {
    for (const entry of this.#base) if (!this.#edits.has(entry[0])) yield entry
    for (const [key, value] of this.#edits) if (value !== undefined) yield [key, value]
  }

  *keys(): MapIterator<Key> {
    for (const [key] of this.entries()) yield key
  }

  *values(): MapIterator<Value> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries()
  }

  forEach(callback: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this.entries()) callback(value, key, this)
  }
}
