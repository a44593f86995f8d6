import type { Sink } from '../streams.ts'

const ERASE_LINE = '\r\u001b[K'
const BAR_CHARACTERS = 24
const PLAIN_STEP_PERCENT = 25
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** Shows how many bytes are done: a bar written over on a terminal, elsewhere a line for each
 *  quarter. */
export class ByteProgress {
  readonly #sink: Sink
  readonly #title: string
  #shown = ''

  constructor(sink: Sink, title: string) {
    this.#sink = sink
    this.#title = title
  }

  show(doneBytes: number, totalBytes: number): void {
    const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes * 100) / totalBytes)
    if (this.#sink.isTerminal) {
      const filled = Math.floor((percent * BAR_CHARACTERS) / 100)
      const bar = '#'.repeat(filled).padEnd(BAR_CHARACTERS, '.')
      const amount = `${sizeText(doneBytes)} of ${sizeText(totalBytes)}`
      this.#write(`${this.#title} [${bar}] ${String(percent).padStart(3)} %  ${amount}`)
      return
    }
    const step = percent - (percent % PLAIN_STEP_PERCENT)
    if (step > 0) this.#write(`${this.#title}: ${step} %`)
  }

  /** Takes the bar off a terminal. */
  clear(): void {
    if (this.#sink.isTerminal && this.#shown !== '') this.#sink.write(ERASE_LINE)
    this.#shown = ''
  }

  #write(line: string): void {
    if (line === this.#shown) return
    this.#shown = line
    this.#sink.write(this.#sink.isTerminal ? ERASE_LINE + line : `${line}\n`)
  }
}

/** A size in the largest unit that leaves it at 1 or more: `1.5 MiB`. Pure. */
export function sizeText(sizeBytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, sizeBytes)) / 10))
  const value = sizeBytes / 1024 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power]}`
}
