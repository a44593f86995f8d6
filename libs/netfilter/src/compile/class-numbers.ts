import { shortHash } from '@purlin/base'
import { CLASS_BASE, CLASS_BITS } from './form.ts'

/** Classes of which no address is left keep their numbers, because packets may carry them until
 *  every look-up has changed. Beyond so many, all of those are forgotten. */
const UNUSED_MAX = 256

/** A class as text: its groups in order, a blank between. */
export function classText(groups: readonly string[]): string {
  return groups.length < 2 ? (groups[0] ?? '') : groups.toSorted().join(' ')
}

/** The groups of a class written as text. */
export function groupsOf(text: string): readonly string[] {
  return text.split(' ')
}

/** Numbers of classes. A number is the hash of the class's groups, so that agents and restarts
 *  agree without a list of them; one that is taken is hashed again. Numbers that were given out
 *  before stay. */
export class ClassNumbers {
  #numbers: Map<string, number>
  /** Those that addresses are of or were; parts of them have numbers, too. */
  #classes: ReadonlySet<string>
  #taken: Set<number>

  constructor(kept: ReadonlyMap<string, number> = new Map()) {
    this.#numbers = new Map(kept)
    this.#classes = new Set(kept.keys())
    this.#taken = new Set(kept.values())
  }

  /** Takes classes up, beside those that were before; forgets the unused, when they are many. */
  use(used: ReadonlySet<string>): ReadonlySet<string> {
    const unused = [...this.#classes].filter((text) => !used.has(text))
    const kept = unused.length <= UNUSED_MAX ? unused : []
    if (kept.length < unused.length) {
      for (const text of unused) this.#numbers.delete(text)
      this.#taken = new Set(this.#numbers.values())
    }
    this.#classes = new Set([...kept, ...used])
    return this.#classes
  }

  /** Gives each a number. In the order of the texts, so that it does not depend on who asked
   *  first. */
  settle(texts: ReadonlySet<string>): void {
    const fresh = [...texts].filter((text) => !this.#numbers.has(text)).sort()
    for (const text of fresh) {
      let number = hashed(text)
      for (let attempt = 1; this.#taken.has(number); attempt++)
        number = hashed(`${text}#${attempt}`)
      this.#taken.add(number)
      this.#numbers.set(text, number)
    }
  }

  /** Of a class that was settled. */
  numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known === undefined) throw new Error(`class "${text}" has no number`)
    return known
  }

  /** The classes with their numbers, in the order of the texts. */
  snapshot(): ReadonlyMap<string, number> {
    return new Map([...this.#classes].sort().map((text) => [text, this.numberOf(text)]))
  }
}

function hashed(text: string): number {
  // Seven hexadecimal digits are 28 bits.
  return CLASS_BASE + (Number.parseInt(shortHash(text, 7), 16) >>> (28 - CLASS_BITS))
}
