import { type ErrorCode, PurlinError, toPurlinError } from '@purlin/base'
import { type Event, operations } from '@purlin/schema'
import { pauseMs } from '../connect/back-off.ts'
import type { Call } from '../connect/call.ts'
import type { Transport } from '../connect/transport.ts'
import { serverSentMessages } from './server-sent.ts'

export interface EventsOptions {
  /** The first event is the one behind this sequence number; absent: from now on. */
  readonly after?: number
  /** false: ends behind the last event there is. */
  readonly follow?: boolean
  /** Aborting ends the iteration without an error. */
  readonly signal?: AbortSignal
}

/** Failed connections in a row after which the iteration gives up. */
const CONNECTION_ATTEMPTS = 20
const BACK_OFF = { firstMs: 200, longestMs: 5_000 }
/** A stream without a byte for so long is taken for lost and resumed, which does no harm. */
const SILENCE_MS = 60_000
const RESUMABLE: ReadonlySet<string> = new Set<ErrorCode>([
  'PUR_AGENT_UNREACHABLE',
  'PUR_AGENT_UNHEALTHY',
  'PUR_DEADLINE_PASSED',
])
/** A connection that stood this long counts as a good one, even without an event. */
const GOOD_CONNECTION_MS = 5_000

/** Events as they happen, each once and in order. A lost connection is resumed behind the last
 *  event seen. Errors: PUR_STORE_COMPACTED where that one is no longer kept,
 *  PUR_AGENT_UNREACHABLE after twenty attempts in a row, and the errors of every call. */
export async function* followEvents(
  transport: Transport,
  { after, follow = true, signal }: EventsOptions = {},
): AsyncGenerator<Event, void> {
  const { clock, random } = transport.options
  let last = after
  for (let failures = 0; ; ) {
    const openedAtMs = clock.monotonicMs()
    let lost: PurlinError
    try {
      const call = callFor(last, last !== after, follow, signal)
      for await (const message of messagesOf(transport, call)) {
        failures = 0
        if (message.text === '') {
          last = laterOf(last, message.id)
          continue
        }
        const event = JSON.parse(message.text) as Event
        if (last !== undefined && event.sequence <= last) continue
        last = event.sequence
        yield event
      }
      if (signal?.aborted || !follow) return
      lost = new PurlinError('PUR_AGENT_UNREACHABLE', {
        message:
          'GET /v1/events: the agent keeps closing the stream; see that purlin-host-agent runs',
      })
    } catch (thrown) {
      if (signal?.aborted) return
      lost = toPurlinError(thrown)
      if (!RESUMABLE.has(lost.code)) throw lost
    }
    failures = clock.monotonicMs() - openedAtMs >= GOOD_CONNECTION_MS ? 1 : failures + 1
    if (failures >= CONNECTION_ATTEMPTS) throw lost
    try {
      await clock.sleep(pauseMs(BACK_OFF, failures - 1, random), signal)
    } catch {
      return
    }
  }
}

async function* messagesOf(transport: Transport, call: Call) {
  const body = await transport.stream(call)
  try {
    yield* serverSentMessages(body)
  } catch (thrown) {
    throw transport.connectionError(call, thrown)
  } finally {
    // Cutting an unfinished body makes it emit an error that nobody waits for.
    body.on('error', () => undefined)
    body.destroy()
  }
}

/** A message without an event says where the stream stands, so that even a stream that was lost
 *  before its first event is resumed without a gap. */
function laterOf(last: number | undefined, id: string): number | undefined {
  return /^\d{1,15}$/.test(id) ? Math.max(last ?? 0, Number(id)) : last
}

function callFor(
  last: number | undefined,
  resumed: boolean,
  follow: boolean,
  signal: AbortSignal | undefined,
): Call {
  const { method, path } = operations.streamEvents
  return {
    method,
    path,
    query: { ...(last !== undefined && { after: last }), follow: String(follow) },
    headers: {
      accept: 'text/event-stream',
      ...(resumed && { 'last-event-id': String(last) }),
    },
    silenceMs: SILENCE_MS,
    options: { attempts: 1, ...(signal && { signal }) },
  }
}
