import { operations } from './addon.ts'
import { borrow, borrowAll } from './buffers.ts'
import { invalid } from './errors.ts'
import type { Handle } from './handle.ts'
import { type AsyncOptions, perform, performAsync, type Work } from './perform.ts'

/** The worked-out way to rebuild certain shards from certain others. It can be kept, and used for
 *  any number of stripes. */
export interface DecodePlan extends Disposable {
  /** The shards that are read, k or fewer, in ascending order. */
  readonly sources: readonly number[]
  /** The shards that are rebuilt, in ascending order. */
  readonly wanted: readonly number[]
  /** Rebuilds: `sources` and `outputs` are buffers in the order of the lists above.
   *  Errors: PUR_EC_INVALID, PUR_EC_OVERLAP. */
  reconstructSync(sources: readonly Uint8Array[], outputs: readonly Uint8Array[]): void
  reconstruct(
    sources: readonly Uint8Array[],
    outputs: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void>
  /** Adds what the shard `source`, one of `sources`, contributes to every output. Outputs that
   *  began as zeros are complete when each source was added once, in any order, also as sums of
   *  sums: a site adds its own shards, and only the sums travel. */
  accumulateSync(source: number, shard: Uint8Array, outputs: readonly Uint8Array[]): void
  accumulate(
    source: number,
    shard: Uint8Array,
    outputs: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void>
}

export class NativeDecodePlan implements DecodePlan {
  readonly sources: readonly number[]
  readonly wanted: readonly number[]
  readonly #handle: Handle

  constructor(handle: Handle, sources: readonly number[], wanted: readonly number[]) {
    this.#handle = handle
    this.sources = sources
    this.wanted = wanted
  }

  reconstructSync(sources: readonly Uint8Array[], outputs: readonly Uint8Array[]): void {
    perform(this.#work(sources, outputs))
  }

  async reconstruct(
    sources: readonly Uint8Array[],
    outputs: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void> {
    await performAsync(this.#work(sources, outputs), options)
  }

  accumulateSync(source: number, shard: Uint8Array, outputs: readonly Uint8Array[]): void {
    perform(this.#addition(source, shard, outputs))
  }

  async accumulate(
    source: number,
    shard: Uint8Array,
    outputs: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void> {
    await performAsync(this.#addition(source, shard, outputs), options)
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]()
  }

  #work(sources: readonly Uint8Array[], outputs: readonly Uint8Array[]): Work {
    const work = {
      operation: operations.reconstruct,
      handle: this.#handle,
      index: 0,
      inputs: borrowAll(sources, 'sources'),
      outputs: borrowAll(outputs, 'outputs'),
    }
    requireCount('sources', work.inputs.length, this.sources.length)
    requireCount('outputs', work.outputs.length, this.wanted.length)
    return work
  }

  #addition(source: number, shard: Uint8Array, outputs: readonly Uint8Array[]): Work {
    if (!this.sources.includes(source)) {
      throw invalid(`shard ${source} is no source of the plan: ${this.sources.join(', ')}`)
    }
    const work = {
      operation: operations.accumulatePlan,
      handle: this.#handle,
      index: source,
      inputs: [borrow(shard, 'shard')],
      outputs: borrowAll(outputs, 'outputs'),
    }
    requireCount('outputs', work.outputs.length, this.wanted.length)
    return work
  }
}

function requireCount(what: string, found: number, wanted: number): void {
  if (found !== wanted) throw invalid(`${found} ${what} were given where the plan has ${wanted}`)
}
