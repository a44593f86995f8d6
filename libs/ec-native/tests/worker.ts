/** A thread that encodes and rebuilds on codecs of its own and answers how often it was right. */
import { parentPort } from 'node:worker_threads'
import { createCodec } from '../src/index.ts'
import { stripeOf } from './bytes.ts'

let right = 0
for (let round = 0; round < 200; round += 1) {
  const codec = createCodec({ dataShards: 2 + (round % 5), parityShards: 2 })
  const stripe = stripeOf(codec, 1000 + round, round + 1)
  const rebuilt = codec.reconstructSync([null, ...stripe.slice(1, -1), undefined])
  if (rebuilt.every((shard, i) => Buffer.from(stripe[i] ?? []).equals(shard))) right += 1
}
// What is under way when a thread ends must not outlive it.
const codec = createCodec({ dataShards: 4, parityShards: 2 })
void codec.encodeBatch(codec.allocStripe(1024 * 1024), 1024 * 1024)
parentPort?.postMessage(right)
