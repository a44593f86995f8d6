import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { madeTraceKinds, simulateMadeTrace, simulateTrace } from './index.ts'

const POLICIES = ['purlin', 'lru', 'arc', '2q', 's3-fifo', 'sieve', 'lirs', 'w-tinylfu', 'belady']

async function file(t: ExecutionContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-trace-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'trace')
  await writeFile(path, text)
  return path
}

test('a trace in a file gives a row of every policy at every size', async (t) => {
  const lines = Array.from({ length: 400 }, (_, i) => `${(i * i) % 97} 2 0 ${i}\n`)
  const path = await file(t, lines.join(''))
  const found = await simulateTrace(path, 'lis', { percents: [10, 50] })
  t.is(found.requests, 800)
  t.deepEqual(
    found.rows.map(({ policy, percent }) => [policy, percent]),
    [10, 50].flatMap((percent) => POLICIES.map((policy) => [policy, percent])),
  )
  for (const { missRatio, flashWritesPerRequest, metadataBytes } of found.rows) {
    t.true(missRatio > 0 && missRatio <= 1)
    t.true(flashWritesPerRequest >= 0 && flashWritesPerRequest <= missRatio)
    t.true(Number.isInteger(metadataBytes) && metadataBytes > 0)
  }
})

test('blocks of 512 bytes are taken together to the pages of 4096 that they touch', async (t) => {
  const path = await file(t, '0.1,r,7,1024\n0.2,w,0,512\n')
  const { requests, distinctPages } = await simulateTrace(path, 'csv', { percents: [50] })
  t.deepEqual([requests, distinctPages], [3, 2])
})

test('a bad line is one error with its number', async (t) => {
  const path = await file(t, '1 1 0 0\n1 no 0 0\n')
  const error = await t.throwsAsync(simulateTrace(path, 'lis', { percents: [5] }), {
    instanceOf: PurlinError,
    message: /trace, line 2: the number of pages is "no"/,
  })
  t.is(error?.code, 'PUR_CACHE_TRACE')
})

test('a made trace of each kind can be replayed, and the same seed gives the same', async (t) => {
  for (const kind of madeTraceKinds()) {
    const made = { kind, seed: 3, requests: 2000 }
    const found = await simulateMadeTrace(made, { percents: [10] })
    t.is(found.requests, 2000)
    t.deepEqual(await simulateMadeTrace(made, { percents: [10] }), found)
  }
})

for (const [what, made, percents] of [
  ['an unknown kind', { kind: 'tidal', seed: 1, requests: 10 }, [5]],
  ['a size of nothing', { kind: 'zipf', seed: 1, requests: 10 }, [0]],
] as const) {
  test(`${what} is refused`, async (t) => {
    const error = await t.throwsAsync(simulateMadeTrace(made, { percents }))
    t.is((error as PurlinError).code, 'PUR_CACHE_TRACE')
  })
}

test('a simulation that is given up ends soon', async (t) => {
  const options = { percents: [5], signal: AbortSignal.abort() }
  const made = { kind: 'zipf', seed: 1, requests: 1000 }
  const error = await t.throwsAsync(simulateMadeTrace(made, options))
  t.is((error as PurlinError).code, 'PUR_CANCELLED')
})
