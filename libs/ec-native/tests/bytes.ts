import type { Codec } from '../src/index.ts'

/** Bytes that look random and are the same in every run. */
export function noise(lengthBytes: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(lengthBytes)
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let i = 0; i < lengthBytes; i += 1) {
    // xorshift32 of Marsaglia, "Xorshift RNGs".
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

/** A stripe of `codec` whose data is noise and whose parity fits it. */
export function stripeOf(codec: Codec, shardBytes: number, seed = 1): Uint8Array[] {
  const data = Array.from({ length: codec.dataShards }, (_, i) => noise(shardBytes, seed + i))
  const parity = zeros(codec.parityShards, shardBytes)
  codec.encodeSync(data, parity)
  return [...data, ...parity]
}

/** Buffers of zeros. */
export function zeros(count: number, lengthBytes: number): Uint8Array[] {
  return Array.from({ length: count }, () => new Uint8Array(lengthBytes))
}
