import type { TaskProgress } from '@purlin/sdk'
import type { Sink } from '../streams.ts'
import { oneLine } from './table.ts'

const LINE_WIDTH_CHARACTERS = 100
const ERASE_LINE = '\r\u001b[K'

/** Shows how far something is: one line written over on a terminal, else a line for each new
 *  text. */
export class ProgressLine {
  readonly #sink: Sink
  readonly #title: string
  #shown = ''

  constructor(sink: Sink, title: string) {
    this.#sink = sink
    this.#title = title
  }

  show({ done, total, text }: TaskProgress): void {
    const line = `${this.#title}: ${done}/${total} ${oneLine(text)}`
    if (line === this.#shown) return
    this.#shown = line
    if (this.#sink.isTerminal) this.#sink.write(ERASE_LINE + line.slice(0, LINE_WIDTH_CHARACTERS))
    else this.#sink.write(`${line}\n`)
  }

  /** Takes the line off a terminal, so that what follows stands alone. */
  clear(): void {
    if (this.#sink.isTerminal && this.#shown !== '') this.#sink.write(ERASE_LINE)
    this.#shown = ''
  }
}
