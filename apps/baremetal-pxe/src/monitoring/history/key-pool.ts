/** A thousand machines tell much the same series. Their keys are kept once, as long as there are no
 *  more than so many; past that it begins anew, and those in use stay with whoever uses them. */
export class KeyPool {
  readonly #keys = new Map<string, string>()
  readonly #limit: number

  constructor(limit = 100_000) {
    this.#limit = limit
  }

  /** The one string of that text. */
  one(key: string): string {
    const known = this.#keys.get(key)
    if (known !== undefined) return known
    if (this.#keys.size >= this.#limit) this.#keys.clear()
    this.#keys.set(key, key)
    return key
  }
}
