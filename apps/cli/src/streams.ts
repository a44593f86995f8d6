import { type Clock, systemClock } from '@purlin/base'

/** Where text goes. */
export interface Sink {
  write(text: string): void
  readonly isTerminal: boolean
}

/** The world around one run of the command. */
export interface Streams {
  readonly stdout: Sink
  readonly stderr: Sink
  /** All of standard input. */
  readStdin(): Promise<string>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal
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
    environment: process.env,
    clock: systemClock,
    signal,
  }
}

function sinkOf(stream: NodeJS.WriteStream): Sink {
  return { write: (text) => void stream.write(text), isTerminal: stream.isTTY === true }
}
