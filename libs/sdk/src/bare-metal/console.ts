import { PurlinError } from '@purlin/base'
import type { ConsoleEvent } from '@purlin/schema'
import { callOf } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'

export interface ConsoleOptions {
  /** Of what was recorded before, this much comes first; 64 KiB is the most, and the default. */
  readonly tailBytes?: number
  /** false: ends after the tail. */
  readonly follow?: boolean
  /** Aborting ends the iteration without an error. */
  readonly signal?: AbortSignal
}

/** What happens on a console: bytes as they came, and when its session began and ended. */
export type ConsoleOutput =
  | { readonly kind: 'output'; readonly atMs: number; readonly bytes: Uint8Array }
  | Exclude<ConsoleEvent, { kind: 'output' }>

/** The daemon sends an empty line every 15 s. */
const SILENCE_MS = 60_000
const LINE_LIMIT_CHARACTERS = 4 * 1024 * 1024

/** A chassis’ console as a stream. It is not resumed: what was lost between could not be told from
 *  what is new. Errors: as every call; PUR_BMC_UNSUPPORTED where it has none. */
export async function* consoleOf(
  transport: Transport,
  name: string,
  { tailBytes, follow = true, signal }: ConsoleOptions = {},
): AsyncGenerator<ConsoleOutput, void> {
  const call = callOf(transport, 'streamChassisConsole', {
    parts: { name },
    query: {
      follow: follow ? 'true' : 'false',
      ...(tailBytes !== undefined && { tailBytes }),
    },
    options: { ...(signal && { signal }) },
  })
  const withSilence = { ...call, silenceMs: SILENCE_MS }
  try {
    for await (const line of linesOf(await transport.stream(withSilence))) {
      if (line === '') continue
      const event = JSON.parse(line) as ConsoleEvent
      yield event.kind === 'output'
        ? { kind: 'output', atMs: event.atMs, bytes: Buffer.from(event.base64, 'base64') }
        : event
    }
  } catch (thrown) {
    if (signal?.aborted) return
    throw transport.connectionError(call, thrown)
  }
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_LIMIT_CHARACTERS) {
      throw new PurlinError('PUR_INTERNAL', { message: 'a line of the console is too long' })
    }
    yield* lines
  }
}
