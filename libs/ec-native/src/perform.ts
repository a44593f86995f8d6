import { setImmediate } from 'node:timers/promises'
import { PurlinError } from '@purlin/base'
import { ecAddon, type Operation } from './addon.ts'
import { refused } from './buffers.ts'
import { toError } from './errors.ts'
import type { Handle } from './handle.ts'

/** One piece of work of a codec or a plan on borrowed buffers. */
export interface Work {
  readonly operation: Operation
  readonly handle: Handle
  /** The data shard of an update, a delta or an accumulation, else 0. */
  readonly index: number
  readonly inputs: readonly Uint8Array[]
  readonly outputs: readonly Uint8Array[]
}

/** Options of the calls that return promises. */
export interface AsyncOptions {
  /** Gives the work up at the next slice; what is written by then stays written. */
  readonly signal?: AbortSignal
}

/** So much memory is worked on at once in the calling thread: 30 to 60 us at the speed of memory,
 *  1 ms with the scalar kernel. Below it a hand-over to the pool costs as much as the work. */
export const SLICE_BYTES = 1024 * 1024

/** So much is handed to the pool at once; a signal is looked at in between. */
export const POOL_SLICE_BYTES = 16 * 1024 * 1024

/** Does the work now. Returns the parity rows that differ (`verify`).
 *  Errors: those of the addon, and then nothing was written. */
export function perform({ operation, handle, index, inputs, outputs }: Work): readonly number[] {
  const outcome = ecAddon().perform(operation, handle.value, index, inputs, outputs)
  if (outcome === null) return []
  if ('code' in outcome) throw toError(outcome)
  return outcome
}

/** Does the work without blocking the thread for longer than a slice takes: small work at once,
 *  larger work on memory of `allocStripe` in the pool, and on other memory slice by slice in this
 *  thread. Other memory can be transferred away, and freed, while another thread writes to it,
 *  which nothing in Node-API prevents; so it is looked up anew for each slice. */
export async function performAsync(
  work: Work,
  { signal }: AsyncOptions = {},
): Promise<readonly number[]> {
  refuseAborted(signal)
  const { inputs, outputs } = work
  const lengthBytes = inputs[0]?.length ?? 0
  const views = inputs.length + outputs.length
  if (lengthBytes * views <= SLICE_BYTES) return perform(work)
  // Every buffer is looked at as a whole before the first slice is written.
  const even = [...inputs, ...outputs].every((view) => view.length === lengthBytes)
  if (!even) return perform(work)
  const pooled = await throughPool(work, lengthBytes, views, signal)
  return pooled ?? (await inSlices(work, lengthBytes, views, signal))
}

async function throughPool(
  work: Work,
  lengthBytes: number,
  views: number,
  signal: AbortSignal | undefined,
): Promise<readonly number[] | undefined> {
  const differing = new Set<number>()
  const step = sliceBytes(POOL_SLICE_BYTES, views)
  for (let from = 0; from < lengthBytes; from += step) {
    refuseAborted(signal)
    const { operation, handle, index, inputs, outputs } = slice(work, from, step, lengthBytes)
    const running = ecAddon().performInPool(operation, handle.value, index, inputs, outputs)
    if (running === null) return undefined
    const outcome = await running
    if (outcome !== null && 'code' in outcome) throw toError(outcome)
    for (const row of outcome ?? []) differing.add(row)
  }
  return sorted(differing)
}

async function inSlices(
  work: Work,
  lengthBytes: number,
  views: number,
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const differing = new Set<number>()
  const step = sliceBytes(SLICE_BYTES, views)
  for (let from = 0; from < lengthBytes; from += step) {
    if (from > 0) await setImmediate()
    refuseAborted(signal)
    for (const row of perform(slice(work, from, step, lengthBytes))) differing.add(row)
  }
  return sorted(differing)
}

/** Bytes of each buffer in a slice; whole pages, so that kernels run at full width. */
function sliceBytes(slice: number, views: number): number {
  return Math.max(4096, Math.floor(slice / views / 4096) * 4096)
}

function slice(work: Work, from: number, step: number, lengthBytes: number): Work {
  const cut = (view: Uint8Array, i: number) => {
    // A view whose memory was transferred away, or shrunk, has another length from then on.
    if (view.length !== lengthBytes) {
      throw refused(`buffer ${i}`, 'was transferred away or resized while it was worked on')
    }
    const size = Math.min(step, lengthBytes - from)
    return new Uint8Array(view.buffer, view.byteOffset + from, size)
  }
  return { ...work, inputs: work.inputs.map(cut), outputs: work.outputs.map(cut) }
}

function sorted(rows: ReadonlySet<number>): readonly number[] {
  return [...rows].sort((a, b) => a - b)
}

/** Errors: PUR_CANCELLED. */
export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  const message = 'erasure coding: given up by the caller; outputs may be written in part'
  throw new PurlinError('PUR_CANCELLED', { message, cause: signal.reason })
}
