import type { Clock, Run } from '@purlin/base'
import { Exchange } from '../netlink/exchange.ts'
import type { TraceStep } from '../netlink/socket.ts'
import { watchTraces } from '../netlink/watch-traces.ts'
import type { Packet } from '../packet.ts'
import { openFrameSource } from './frame-source.ts'
import type { ProbeFrame } from './probe-frame.ts'
import { addProbeTable, PROBE_TABLE_PREFIX } from './probe-table.ts'
import { isEnd } from './read-trace.ts'
import { noteKey, type RuleNotes, readRuleNotes, rulesChanged } from './rule-notes.ts'

export interface ProbeOptions {
  readonly clock: Clock
  readonly run: Run
  readonly signal: AbortSignal
}

/** What the kernel told of a frame. */
export interface ProbeTrace {
  /** In order; those of the probe's own table are among them. */
  readonly steps: readonly TraceStep[]
  /** The probe's own table. */
  readonly table: string
  readonly notes: RuleNotes
}

/** A frame is through when it is sent; its trace is told by a thread that may have to wait for a
 *  processor. */
const TRACE_MS = 3_000
const CALL_MS = 5_000
const NAME_DIGITS = 12

/** Lets a frame come in at a device and gives what the kernel told of its way. Nobody gets the
 *  frame: where all rules let it pass, a rule of the probe drops it. Whatever was made for it is
 *  gone when this settles, and with the process too. Errors: PUR_LIVE_UNAVAILABLE, PUR_NFT_REFUSED,
 *  PUR_NFT_UNREADABLE, PUR_NFT_CONCURRENT (rules that it met went meanwhile: ask again),
 *  PUR_DEADLINE_PASSED, PUR_CANCELLED. */
export async function traceProbe(
  device: string,
  frame: ProbeFrame,
  { clock, run, signal }: ProbeOptions,
): Promise<ProbeTrace> {
  const digits = Buffer.from(frame.nonce).toString('hex').slice(0, NAME_DIGITS)
  const table = `${PROBE_TABLE_PREFIX}${digits}`
  const options = { signal, timeoutMs: CALL_MS }
  const trace = new TraceGatherer(table, frame.packet)
  const exchange = new Exchange()
  try {
    const stop = watchTraces((step) => trace.take(step))
    try {
      await addProbeTable(exchange, table, frame, options)
      const source = await openFrameSource(device, run, signal)
      try {
        source.send(frame.bytes)
        await trace.ended(clock, signal)
      } finally {
        source.close()
      }
    } finally {
      stop()
    }
    const { steps } = trace
    const notes = await readRuleNotes(exchange, steps, options)
    if (steps.some((step) => isGone(step, notes))) throw rulesChanged(`table bridge ${table}`)
    return { steps, table, notes }
  } finally {
    exchange.close()
  }
}

/** A list that was replaced behind the packet's back cannot be named any more. */
function isGone(step: TraceStep, notes: RuleNotes): boolean {
  const { family, ruleHandle } = step
  return ruleHandle !== undefined && family !== 'other' && !notes.has(noteKey(step))
}

/** Picks the steps of one frame out of all that is traced on the host. */
class TraceGatherer {
  readonly steps: TraceStep[] = []
  readonly #table: string
  readonly #packet: Packet
  readonly #ids = new Set<number>()
  readonly #end = new AbortController()

  constructor(table: string, packet: Packet) {
    this.#table = table
    this.#packet = packet
  }

  take(step: TraceStep): void {
    if (step.table === this.#table) this.#ids.add(step.id)
    // Where the kernel gives the packet another number on its way, its headers tell.
    else if (this.#ids.size > 0 && isSame(step.packet, this.#packet)) this.#ids.add(step.id)
    if (!this.#ids.has(step.id)) return
    this.steps.push(step)
    if (isEnd(step, this.#table)) this.#end.abort()
  }

  /** Waits until the frame's end was told, or for as long as that may take. */
  async ended(clock: Clock, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#end.signal])
    await clock.sleep(TRACE_MS, either).catch(() => undefined)
    if (!this.#end.signal.aborted) signal.throwIfAborted()
  }
}

function isSame(one: Packet | undefined, other: Packet): boolean {
  return (
    one?.family === other.family &&
    one.source === other.source &&
    one.destination === other.destination &&
    one.protocol === other.protocol &&
    one.sourcePort === other.sourcePort &&
    one.destinationPort === other.destinationPort &&
    one.icmp?.type === other.icmp?.type &&
    one.icmp?.code === other.icmp?.code
  )
}
