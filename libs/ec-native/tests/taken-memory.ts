/** Takes the memory of buffers away while they are worked on, and frees it, again and again. Run as
 *  a program, so that a test can see that the process outlives it; prints how the calls ended. */
import { createCodec } from '../src/index.ts'
import { noise } from './bytes.ts'

const SHARD_BYTES = 1024 * 1024
const ROUNDS = 12

const codec = createCodec({ dataShards: 4, parityShards: 2 })
const endings = new Map<string, number>()
for (let round = 0; round < ROUNDS; round += 1) {
  const own = codec.allocStripe(SHARD_BYTES)
  const foreign = new Uint8Array(own.length)
  for (const [kind, memory] of [
    ['own', own],
    ['foreign', foreign],
  ] as const) {
    memory.set(noise(4096, round + 1))
    const shards = codec.shardsOf(memory)
    const running = [
      codec.encode(shards.slice(0, 4), shards.slice(4)),
      codec.verify(shards.slice(0, 4), shards.slice(4)),
      codec.encodeBatch(memory, SHARD_BYTES),
    ]
    // Shrinking frees the memory at once, a plain transfer when its new owner is collected.
    const { buffer } = memory as Uint8Array<ArrayBuffer>
    if (round % 2 === 0) buffer.transfer(0)
    else buffer.transfer()
    globalThis.gc?.()
    for (const { status, ...outcome } of await Promise.allSettled(running)) {
      const reason: unknown = 'reason' in outcome ? outcome.reason : undefined
      const code = reason instanceof Error && 'code' in reason ? reason.code : reason
      const ending = `${kind} ${status} ${code ?? ''}`.trim()
      endings.set(ending, (endings.get(ending) ?? 0) + 1)
    }
  }
}
process.stdout.write(JSON.stringify([...endings].sort()))
