import { types } from 'node:util'
import { borrow, borrowAll, refused } from './buffers.ts'
import type { MaybeShard, ReconstructOptions } from './codec.ts'
import { invalid, requireWhole } from './errors.ts'
import type { Shape } from './shape.ts'

/** A stripe with lost shards, and the buffers for those that are to be rebuilt. */
export interface Reconstruction {
  /** The shards that are there, in ascending order. */
  readonly present: readonly number[]
  /** Their buffers. */
  readonly inputs: readonly Uint8Array[]
  /** The shards to rebuild, in ascending order. */
  readonly lost: readonly number[]
  /** A buffer for each of `lost`. */
  readonly outputs: readonly Uint8Array[]
  /** The stripe with those buffers in their places. */
  readonly result: readonly (Uint8Array | undefined)[]
}

/** Looks through the places of a stripe. Errors: PUR_EC_INVALID. */
export function reconstruction(
  { dataShards, parityShards }: Shape,
  shards: readonly MaybeShard[],
  { wanted = 'all', outputs }: ReconstructOptions,
): Reconstruction {
  const total = dataShards + parityShards
  if (types.isProxy(shards) || !Array.isArray(shards)) throw refused('shards', 'must be an array')
  if (shards.length !== total) {
    throw invalid(`${shards.length} places were given where a stripe has ${total}: null for lost`)
  }
  const result: (Uint8Array | undefined)[] = []
  const present: number[] = []
  const inputs: Uint8Array[] = []
  for (let i = 0; i < total; i += 1) {
    const place: MaybeShard = shards[i]
    const shard = place === null || place === undefined ? undefined : borrow(place, 'shards', i)
    result.push(shard)
    if (shard === undefined) continue
    present.push(i)
    inputs.push(shard)
    const lengthBytes = inputs[0]?.length
    if (shard.length !== lengthBytes || shard.length === 0) {
      throw invalid(`shard ${i} has ${shard.length} bytes and must have ${lengthBytes || 1}`)
    }
  }
  const lengthBytes = inputs[0]?.length ?? 0
  const lost = wantedOf(wanted, dataShards, total, result)
  const buffers = outputs === undefined ? undefined : borrowAll(outputs, 'outputs')
  if (buffers !== undefined && buffers.length !== lost.length) {
    throw invalid(`${buffers.length} outputs were given for ${lost.length} shards to rebuild`)
  }
  // Too few shards are refused before memory is asked for.
  const made = buffers ?? (present.length < dataShards ? [] : lost.map(() => unfilled(lengthBytes)))
  for (const [place, i] of lost.entries()) result[i] = made[place]
  return { present, inputs, lost, outputs: made, result }
}

function wantedOf(
  wanted: ReconstructOptions['wanted'],
  dataShards: number,
  total: number,
  result: readonly (Uint8Array | undefined)[],
): readonly number[] {
  if (wanted === 'all' || wanted === 'data') {
    const end = wanted === 'all' ? total : dataShards
    const lost: number[] = []
    for (let i = 0; i < end; i += 1) if (result[i] === undefined) lost.push(i)
    return lost
  }
  if (types.isProxy(wanted) || !Array.isArray(wanted))
    throw invalid('wanted must be all, data or an array of indices')
  const indices = wanted.map((index, i) => requireWhole(`wanted[${i}]`, index, 0, total - 1))
  return [...new Set(indices)].sort((a, b) => a - b).filter((i) => result[i] === undefined)
}

/** Memory whose every byte will be written. */
function unfilled(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
}
