import { PurlinError } from '@purlin/base'
import {
  type AdviceOutcome,
  type CacheFailure,
  cacheAddon,
  type NativeSimulation,
  type NativeTraceSource,
  type SimulationOutcome,
} from './addon.ts'
import { withPlainTrace } from './plain-trace.ts'

/** How a trace is written: see `simulateTrace`. */
export const traceFormats = ['lis', 'csv', 'oracle'] as const

export type TraceFormat = (typeof traceFormats)[number]

/** A trace that is made; the same kind, seed and number of requests give the same trace. */
export interface MadeTrace {
  /** One of `madeTraceKinds()`. */
  readonly kind: string
  /** 0 to 2^32 - 1. */
  readonly seed: number
  /** 1 to 2^32 - 1. */
  readonly requests: number
}

export interface SimulationOptions {
  /** Sizes of the cache as percent of the trace’s distinct pages, above 0 and at most 100. */
  readonly percents: readonly number[]
  /** Stops the simulation. */
  readonly signal?: AbortSignal
}

/** Replays the trace in a file through our policy and the others, at each size. Formats: `lis`,
 *  lines of first page, pages, ignored, request; `csv`, lines of time, `r` or `w`, first block of
 *  512 bytes, bytes, with pages of 4096 bytes; `oracle`, little-endian records of u32 time, u64 id,
 *  u32 size, i64 next, where the id is the page. Each page is one request.
 *  A trace that is packed by zstd is unpacked. Works off the event
 *  loop. Errors: PUR_CACHE_TRACE (with the line), PUR_CANCELLED, PUR_NATIVE_MISSING. */
export async function simulateTrace(
  path: string,
  format: TraceFormat,
  options: SimulationOptions,
): Promise<SimulationOutcome> {
  return await withPlainTrace(path, (plain) => simulate({ path: plain, format }, options))
}

/** Replays the trace in the cache’s own code, on disks that answer at once: what each mode would do
 *  at each size. Errors: as `simulateTrace`. */
export async function adviseTrace(
  path: string,
  format: TraceFormat,
  { percents, signal }: SimulationOptions,
): Promise<AdviceOutcome> {
  return await withPlainTrace(path, (plain) =>
    replayed((simulation) => simulation.advise({ path: plain, format }, [...percents]), signal),
  )
}

/** The same with a trace that is made. Errors: as `simulateTrace`. */
export async function simulateMadeTrace(
  { kind, seed, requests }: MadeTrace,
  options: SimulationOptions,
): Promise<SimulationOutcome> {
  return await simulate({ kind, seed, requests }, options)
}

/** The kinds of traces that can be made. Errors: PUR_NATIVE_MISSING. */
export function madeTraceKinds(): readonly string[] {
  return cacheAddon().traceKinds()
}

async function simulate(
  source: NativeTraceSource,
  { percents, signal }: SimulationOptions,
): Promise<SimulationOutcome> {
  return await replayed((simulation) => simulation.run(source, [...percents]), signal)
}

/** Runs a replay that can be given up. */
async function replayed<Outcome extends object>(
  replay: (simulation: NativeSimulation) => Promise<Outcome | CacheFailure>,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const { Simulation } = cacheAddon()
  const simulation = new Simulation()
  const stop = () => simulation.stop()
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop)
  try {
    const outcome = await replay(simulation)
    if ('code' in outcome) throw new PurlinError(outcome.code, { message: outcome.message })
    return outcome
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
