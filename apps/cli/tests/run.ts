import { readFile } from 'node:fs/promises'
import { Readable, Writable } from 'node:stream'
import type { Clock } from '@purlin/base'
import { main, type Streams } from '../src/index.ts'

export interface Ended {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** Both outputs are terminals. */
  readonly terminal?: boolean
  readonly signal?: AbortSignal
}

/** The moment at which every run of a test takes place. */
export const NOW_MS = Date.UTC(2026, 0, 31, 12)

const clock: Clock = {
  nowMs: () => NOW_MS,
  monotonicMs: () => 0,
  sleep: async () => undefined,
}

/** Runs the command in memory. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const texts = { stdout: '', stderr: '' }
  const sink = (name: 'stdout' | 'stderr') => ({
    isTerminal: options.terminal ?? false,
    write: (text: string) => {
      texts[name] += text
    },
    drained: async () => undefined,
  })
  const streams: Streams = {
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    readStdin: async () => options.stdin ?? '',
    readLines: async function* (file) {
      const text = file === '-' ? (options.stdin ?? '') : await readFile(file, 'utf8')
      yield* text.split('\n').filter((line, index, all) => line !== '' || index < all.length - 1)
    },
    terminal: {
      input: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
      output: new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          texts.stdout += chunk.toString()
          done()
        },
      }),
      isTerminal: options.terminal ?? false,
      setRaw: () => undefined,
    },
    environment: options.environment ?? {},
    clock,
    signal: options.signal ?? new AbortController().signal,
  }
  const exitCode = await main(args, streams)
  return { exitCode, ...texts }
}
