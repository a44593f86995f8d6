import type { ConsoleEvent } from './console.ts'

const READER_BYTES_MAX = 256 * 1024
/** Sessions that come and go say little; so many events are kept all the same. */
const READER_EVENTS_MAX = 4_096

interface Reader {
  readonly events: ConsoleEvent[]
  bytes: number
  skipped: number
  wake: () => void
  over: boolean
}

/** The readers of a console, each with what it has not read yet. */
export class Readers {
  readonly #readers = new Set<Reader>()
  #ended = false

  /** Hands an event to each; a reader that is too slow loses its oldest output. */
  tell(event: ConsoleEvent): void {
    for (const reader of this.#readers) {
      reader.events.push(event)
      reader.bytes += sizeOf(event)
      while (reader.bytes > READER_BYTES_MAX || reader.events.length > READER_EVENTS_MAX) {
        const lost = sizeOf(reader.events.shift())
        reader.bytes -= lost
        reader.skipped += lost
      }
      reader.wake()
    }
  }

  /** A new reader, which sees what is told from now on. */
  add(signal?: AbortSignal): AsyncIterable<ConsoleEvent> {
    const over = this.#ended || signal?.aborted === true
    const reader: Reader = { events: [], bytes: 0, skipped: 0, wake: () => {}, over }
    if (!over) this.#readers.add(reader)
    signal?.addEventListener('abort', () => this.#remove(reader), { once: true })
    return this.#follow(reader)
  }

  /** What was told is still read; then every reader ends. */
  end(): void {
    this.#ended = true
    for (const reader of this.#readers) this.#remove(reader)
  }

  #remove(reader: Reader): void {
    this.#readers.delete(reader)
    reader.over = true
    reader.wake()
  }

  async *#follow(reader: Reader): AsyncGenerator<ConsoleEvent, void, void> {
    try {
      for (;;) {
        if (reader.skipped > 0) {
          const bytes = reader.skipped
          reader.skipped = 0
          yield { kind: 'skipped', bytes }
        }
        const event = reader.events.shift()
        if (event !== undefined) {
          reader.bytes -= sizeOf(event)
          yield event
        } else if (reader.over) {
          return
        } else {
          await new Promise<void>((resolve) => {
            reader.wake = resolve
          })
        }
      }
    } finally {
      this.#remove(reader)
    }
  }
}

function sizeOf(event: ConsoleEvent | undefined): number {
  return event?.kind === 'output' ? event.bytes.length : 0
}
