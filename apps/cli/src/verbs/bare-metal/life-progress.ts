import type { ChassisLife, Task } from '@purlin/schema'
import type { TaskHandle } from '@purlin/sdk'
import type { Cli, WaitOptions } from '../../cli.ts'
import { oneLine } from '../../output/table.ts'
import type { Sink } from '../../streams.ts'
import { lifeText } from '../../views/bare-metal/life.ts'

const LINE_WIDTH_CHARACTERS = 120
const ERASE_LINE = '\r\u001b[K'
const LOOK_EVERY_MS = 1_000

/** Shows a life: on a terminal one line whose times go on, elsewhere a line for each state, step
 *  and attempt. */
export class LifeLine {
  readonly #sink: Sink
  readonly #title: string
  #shown = ''

  constructor(sink: Sink, title: string) {
    this.#sink = sink
    this.#title = title
  }

  show(life: ChassisLife, nowMs: number): void {
    const line = oneLine(`${this.#title}: ${lifeText(life, nowMs)}`)
    if (this.#sink.isTerminal) {
      if (line !== this.#shown) this.#sink.write(ERASE_LINE + line.slice(0, LINE_WIDTH_CHARACTERS))
      this.#shown = line
      return
    }
    const { state, step = '', attempt = 1 } = life
    const key = `${state} ${step} ${attempt}`
    if (key === this.#shown) return
    this.#shown = key
    const words = [state, step, attempt > 1 ? `attempt ${attempt}` : '']
    this.#sink.write(`${this.#title}: ${oneLine(words.filter((word) => word !== '').join(', '))}\n`)
  }

  /** Takes the line off a terminal. */
  clear(): void {
    if (this.#sink.isTerminal && this.#shown !== '') this.#sink.write(ERASE_LINE)
    this.#shown = ''
  }
}

/** Waits for a task about a chassis and shows its life meanwhile. Errors: as `Cli.finish`. */
export async function finishLife(
  cli: Cli,
  chassis: string,
  handle: TaskHandle,
  options: WaitOptions,
): Promise<Task> {
  if (!options.wait) return handle.task
  const line = new LifeLine(cli.streams.stderr, chassis)
  const over = new AbortController()
  const watching = watch(cli, chassis, line, AbortSignal.any([over.signal, cli.streams.signal]))
  try {
    return await cli.finish(handle, { ...options, quiet: true })
  } finally {
    over.abort()
    await watching
    line.clear()
  }
}

async function watch(
  cli: Cli,
  chassis: string,
  line: LifeLine,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = cli.streams
  try {
    while (!signal.aborted) {
      const { life } = (await cli.metal.chassis.get(chassis, { signal, attempts: 1 })).status
      if (life !== undefined && !signal.aborted) line.show(life, clock.nowMs())
      await clock.sleep(LOOK_EVERY_MS, signal)
    }
  } catch {
    // The task tells what went wrong; this line only looks on.
  }
}
