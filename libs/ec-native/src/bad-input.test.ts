import { PurlinError, run } from '@purlin/base'
import test from 'ava'
import { badCalls } from '../tests/bad-input.ts'
import { noise, zeros } from '../tests/bytes.ts'
import { createCodec } from './index.ts'

test('every bad call is refused with its code and a sentence', (t) => {
  for (const { title, code, call } of badCalls()) {
    const error = t.throws(call, { instanceOf: PurlinError }, title)
    t.is(error?.code, code, title)
    t.regex(error?.message ?? '', /\w+ .*\w+/, title)
  }
})

test('none of the bad calls ends the process, however often they are made', async (t) => {
  const program = new URL('../tests/bad-input.ts', import.meta.url).pathname
  const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
  const ended = await run(process.execPath, [...flags, program], { timeoutMs: 60_000 })
  t.deepEqual(ended, { exitCode: 0, stdout: `${50 * badCalls().length}\n`, stderr: '' })
})

test('a call that is refused has written nothing', (t) => {
  const codec = createCodec({ dataShards: 4, parityShards: 2 })
  const parity = [noise(64, 1), noise(64, 2)]
  const before = parity.map((shard) => shard.slice())
  const data = zeros(4, 64)
  const calls = [
    () => codec.encodeSync(data, [parity[0] ?? data[0], parity[1]?.subarray(1)] as Uint8Array[]),
    () => codec.updateSync(0, noise(64), noise(63), parity),
    () => codec.applyDeltaSync(9, noise(64), parity),
    () => codec.reconstructSync([null, ...zeros(5, 65)], { outputs: [parity[0] ?? noise(64)] }),
  ]
  for (const call of calls) t.throws(call, { instanceOf: PurlinError })
  t.deepEqual(parity, before)
})

test('inputs may share memory with one another', (t) => {
  const codec = createCodec({ dataShards: 2, parityShards: 1 })
  const shard = noise(64)
  const [parity] = [new Uint8Array(64)]
  codec.encodeSync([shard, shard], [parity])
  t.deepEqual(parity, new Uint8Array(64))
})
