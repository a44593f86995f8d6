import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { type Clock, systemClock } from '@purlin/base'

/** Where text goes. */
export interface Sink {
  write(text: string): void
  /** Resolves when whoever reads has caught up, so that a long output does not pile up here. */
  drained(): Promise<void>
  readonly isTerminal: boolean
}

/** The world around one run of the command. */
export interface Streams {
  readonly stdout: Sink
  readonly stderr: Sink
  /** All of standard input. */
  readStdin(): Promise<string>
  /** The lines of a file as they are read; `-` is standard input. */
  readLines(file: string): AsyncIterable<string>
  /** Standard input and output as bytes, for what is neither read whole nor text. */
  readonly terminal: Terminal
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal
}

/** Standard input and output as bytes. */
export interface Terminal {
  readonly input: Readable
  readonly output: Writable
  /** Both are a terminal. */
  readonly isTerminal: boolean
  /** Whether each key comes as it is pressed, Ctrl-C too; nothing where there is no terminal. */
  setRaw(raw: boolean): void
}

/** The streams of this process. */
export function processStreams(signal: AbortSignal): Streams {
  return {
    stdout: sinkOf(process.stdout),
    stderr: sinkOf(process.stderr),
    readStdin: async () => {
      const chunks: Buffer[] = []
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    },
    readLines: (file) =>
      createInterface({
        input: file === '-' ? process.stdin : createReadStream(file),
        crlfDelay: Number.POSITIVE_INFINITY,
      }),
    terminal: {
      input: process.stdin,
      output: process.stdout,
      isTerminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
      setRaw: (raw) => void (process.stdin.isTTY && process.stdin.setRawMode(raw)),
    },
    environment: process.env,
    clock: systemClock,
    signal,
  }
}

function sinkOf(stream: NodeJS.WriteStream): Sink {
  return {
    write: (text) => void stream.write(text),
    drained: async () => {
      if (stream.writableNeedDrain) await once(stream, 'drain')
    },
    isTerminal: stream.isTTY === true,
  }
}
