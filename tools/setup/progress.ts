import { type Clock, systemClock } from '@purlin/base'

/** Where progress is written; standard error in life. */
export interface ProgressOutput {
  write(text: string): unknown
  readonly isTTY?: boolean
}

const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
const SPINNER_MS = 120

/** Steps with their times, a line each; on a terminal the step under way turns a spinner. */
export class Progress {
  readonly #output: ProgressOutput
  readonly #clock: Clock
  #turn = 0

  constructor(output: ProgressOutput = process.stderr, clock: Clock = systemClock) {
    this.#output = output
    this.#clock = clock
  }

  /** Runs `work` as a step. `what` may be followed by the step's own words, given through
   *  `tell`; `isGood` says whether what came of it is a success. */
  async step<Value>(
    what: string,
    work: (tell: (detail: string) => void) => Promise<Value>,
    isGood: (value: Value) => boolean = () => true,
  ): Promise<Value> {
    const startedMs = this.#clock.monotonicMs()
    let detail = ''
    const seconds = (): string =>
      `${((this.#clock.monotonicMs() - startedMs) / 1000).toFixed(1).padStart(6)} s`
    const line = (mark: string): string =>
      `${mark} ${seconds()}  ${what}${detail === '' ? '' : `: ${detail}`}`
    const timer =
      this.#output.isTTY === true ? setInterval(() => this.#spin(line), SPINNER_MS) : null
    try {
      const value = await work((text) => {
        detail = text
      })
      this.#end(line(isGood(value) ? '✓' : '✗'))
      return value
    } catch (thrown) {
      detail = ''
      this.#end(line('✗'))
      throw thrown
    } finally {
      if (timer !== null) clearInterval(timer)
    }
  }

  /** A line of its own. */
  note(text: string): void {
    this.#end(text)
  }

  #spin(line: (mark: string) => string): void {
    this.#turn = (this.#turn + 1) % SPINNER.length
    const columns = process.stderr.columns ?? 80
    this.#output.write(`\r\x1b[K${line(SPINNER.charAt(this.#turn)).slice(0, columns - 1)}`)
  }

  #end(text: string): void {
    this.#output.write(`${this.#output.isTTY === true ? '\r\x1b[K' : ''}${text}\n`)
  }
}
