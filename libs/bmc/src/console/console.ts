import type { Clock } from '@purlin/base'
import { foreignText } from '../foreign-text.ts'
import type { RunningProgram } from './program.ts'
import { Readers } from './readers.ts'
import { Recording } from './recording.ts'
import { withoutBanner } from './session.ts'

const TAIL_BYTES_MAX = 64 * 1024
const PAUSE_LEAST_MS = 1_000
const PAUSE_MOST_MS = 60_000

/** What happens on a console, in its order; times are milliseconds since 1970. */
export type ConsoleEvent =
  | { readonly kind: 'output'; readonly atMs: number; readonly bytes: Uint8Array }
  | { readonly kind: 'began'; readonly atMs: number }
  | { readonly kind: 'ended'; readonly atMs: number; readonly reason: string }
  /** A reader was too slow: so many bytes of output are gone for it. */
  | { readonly kind: 'skipped'; readonly bytes: number }

export interface ConsoleOptions {
  /** The recording; its older half is at `FILE.1`. */
  readonly file: string
  /** Both halves together. */
  readonly bytesMax: number
}

/** A console that is recorded until it is closed. */
export interface Console {
  /** What came last, at most 64 KiB; for the report of a step that failed. */
  tail(): Uint8Array
  readonly connected: boolean
  /** Events from now on; ends with the console or the signal. A reader keeps at most 256 KiB. */
  read(signal?: AbortSignal): AsyncIterable<ConsoleEvent>
  /** Ends the session. Errors: those of writing the recording, which also end a console. */
  close(): Promise<void>
}

/** How a protocol gives a console. */
export interface ConsoleLink {
  /** Begins a session; its output starts with the program's own banner. */
  begin(): Promise<RunningProgram>
  /** Ends whatever session the BMC holds, ours or a stranger's; as a command of the queue. */
  end(signal: AbortSignal): Promise<void>
}

export interface RecorderSeams {
  readonly clock: Clock
  readonly begin: () => Promise<RunningProgram>
  readonly endSession: () => Promise<void>
}

/** Records a console: session after session, with pauses that double up to a minute and begin anew
 *  after output. */
export class ConsoleRecorder implements Console {
  readonly #seams: RecorderSeams
  readonly #recording: Recording
  readonly #readers = new Readers()
  readonly #closing = new AbortController()
  readonly #finished: Promise<void>
  #tail: Uint8Array = new Uint8Array()
  #program: RunningProgram | undefined
  #connected = false

  constructor({ file, bytesMax }: ConsoleOptions, seams: RecorderSeams) {
    this.#seams = seams
    this.#recording = new Recording(file, bytesMax)
    this.#finished = this.#record().finally(() => this.#finish())
    this.#finished.catch(() => {}) // Told to whoever closes it.
  }

  get connected(): boolean {
    return this.#connected
  }

  tail(): Uint8Array {
    return this.#tail.slice()
  }

  read(signal?: AbortSignal): AsyncIterable<ConsoleEvent> {
    return this.#readers.add(signal)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#program?.stop()
    await this.#finished
  }

  async #record(): Promise<void> {
    const { clock, endSession } = this.#seams
    const { signal } = this.#closing
    for (let pauseMs = PAUSE_LEAST_MS; !signal.aborted; ) {
      const spoke = await this.#session()
      if (signal.aborted) return
      pauseMs = spoke ? PAUSE_LEAST_MS : pauseMs
      await clock.sleep(pauseMs, signal).catch(() => {})
      pauseMs = Math.min(PAUSE_MOST_MS, pauseMs * 2)
      if (!signal.aborted) await endSession()
    }
  }

  /** One session to its end; whether anything came. */
  async #session(): Promise<boolean> {
    const { clock, begin } = this.#seams
    let reason = ''
    let spoke = false
    try {
      const program = await begin()
      this.#program = program
      if (this.#closing.signal.aborted) program.stop()
      for await (const bytes of withoutBanner(program.output)) {
        if (!this.#connected) await this.#begin()
        if (bytes.length === 0) continue
        spoke = true
        await this.#take(bytes)
      }
      reason = await program.ended
    } catch (thrown) {
      this.#program?.stop()
      if (isOfRecording(thrown)) throw thrown
      reason = thrown instanceof Error ? thrown.message : String(thrown)
    }
    this.#connected = false
    const told = foreignText(reason) || 'the BMC ended it'
    await this.#mark(`ended: ${told}`)
    this.#readers.tell({ kind: 'ended', atMs: clock.nowMs(), reason: told })
    return spoke
  }

  async #begin(): Promise<void> {
    this.#connected = true
    await this.#mark('began')
    this.#readers.tell({ kind: 'began', atMs: this.#seams.clock.nowMs() })
  }

  async #take(bytes: Uint8Array): Promise<void> {
    this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-TAIL_BYTES_MAX)
    this.#readers.tell({ kind: 'output', atMs: this.#seams.clock.nowMs(), bytes })
    await this.#recording.write(bytes)
  }

  async #mark(what: string): Promise<void> {
    const at = new Date(this.#seams.clock.nowMs()).toISOString()
    await this.#recording.write(Buffer.from(`\r\n[purlin ${at}: console ${what}]\r\n`))
  }

  async #finish(): Promise<void> {
    this.#readers.end()
    await this.#recording.close()
  }
}

/** Errors of files have a system call; a program's have none here. */
function isOfRecording(thrown: unknown): boolean {
  return thrown instanceof Error && 'syscall' in thrown && 'path' in thrown
}
