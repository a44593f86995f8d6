import type { ReportSummary } from '@purlin/schema'
import type { Conductor } from '../life/index.ts'

/** The newest report of each chassis in a line, at hand for its status. */
export class NewestReports {
  readonly #conductor: Pick<Conductor, 'lifeOf' | 'reportsOf'>
  readonly #onTrouble: (chassis: string, thrown: unknown) => void
  readonly #newest = new Map<string, ReportSummary>()

  constructor(
    conductor: Pick<Conductor, 'lifeOf' | 'reportsOf'>,
    onTrouble: (chassis: string, thrown: unknown) => void,
  ) {
    this.#conductor = conductor
    this.#onTrouble = onTrouble
  }

  of(chassis: string): ReportSummary | undefined {
    const newest = this.#newest.get(chassis)
    return newest?.id === this.#conductor.lifeOf(chassis)?.reportId ? newest : undefined
  }

  /** Reads the newest where it is another one than before; never rejects. */
  async look(chassis: string): Promise<void> {
    const wanted = this.#conductor.lifeOf(chassis)?.reportId
    if (wanted === undefined || this.#newest.get(chassis)?.id === wanted) return
    try {
      const all = await this.#conductor.reportsOf(chassis)
      const found = all.find(({ id }) => id === wanted)
      if (found !== undefined) this.#newest.set(chassis, found)
    } catch (thrown) {
      this.#onTrouble(chassis, thrown)
    }
  }
}
