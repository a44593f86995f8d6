import { PurlinError } from '@purlin/base'
import { cacheAddon, type NativeTraceSource, type SimulationOutcome } from './addon.ts'

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
 *  u32 size, i64 next, where the id is the page. Each page is one request. Works off the event
 *  loop. Errors: PUR_CACHE_TRACE (with the line), PUR_CANCELLED, PUR_NATIVE_MISSING. */
export async function simulateTrace(
  path: string,
  format: TraceFormat,
  options: SimulationOptions,
): Promise<SimulationOutcome> {
  return await simulate({ path, format }, options)
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
  const { Simulation } = cacheAddon()
  const simulation = new Simulation()
  const stop = () => simulation.stop()
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop)
  try {
    const outcome = await simulation.run(source, [...percents])
    if ('code' in outcome) throw new PurlinError(outcome.code, { message: outcome.message })
    return outcome
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
