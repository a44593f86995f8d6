import { type DomainReading, readDomain } from './read.ts'

/** What XML of domains says, remembered for as long as it comes again: between two looks that of
 *  most domains is the same, and parsing it is most of what a look costs. */
export class DomainReadings {
  #known: ReadonlyMap<string, DomainReading | undefined> = new Map()
  #seen = new Map<string, DomainReading | undefined>()

  /** Reads XML as `readDomain` does. */
  readonly read = (xml: string): DomainReading | undefined => {
    if (this.#seen.has(xml)) return this.#seen.get(xml)
    const reading = this.#known.has(xml) ? this.#known.get(xml) : readDomain(xml)
    this.#seen.set(xml, reading)
    return reading
  }

  /** A look is over: what it did not meet is forgotten. */
  forgetOthers(): void {
    this.#known = this.#seen
    this.#seen = new Map()
  }
}
