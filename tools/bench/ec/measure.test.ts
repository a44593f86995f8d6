import test from 'ava'
import { geometricMean, measureJobs } from './measure.ts'
import { type Answer, readAnswer, type Worker } from './worker.ts'

/** A worker that says one answer after the other. */
function told(name: string, answers: readonly (Answer | undefined)[], asked: string[]): Worker {
  let next = 0
  const ask = async (line: string): Promise<Answer | undefined> => {
    asked.push(`${name} ${line}`)
    return answers[next++]
  }
  return { name, ask } as unknown as Worker
}

function answer(iters: number, ok = true): Answer {
  return { iters, bytes: 1000, ns: 1000, ok }
}

test('workers are asked by turns, and the median of the rounds counts', async (t) => {
  const asked: string[] = []
  const jobs = [
    { key: 'a', worker: told('a', [answer(5), answer(1), answer(9)], asked), line: 'enc' },
    { key: 'b', worker: told('b', [answer(2), answer(2), answer(2)], asked), line: 'enc' },
  ]
  const { byKey, wrong } = await measureJobs(jobs, 3, new AbortController().signal)
  t.deepEqual(asked, ['a enc', 'b enc', 'a enc', 'b enc', 'a enc', 'b enc'])
  t.deepEqual(byKey.a, { rate: 5, rateLeast: 1, rateMost: 9, callNs: 200 })
  t.is(byKey.b?.rate, 2)
  t.deepEqual(wrong, [])
})

test('wrong bytes are told once, and what a worker cannot do has no reading', async (t) => {
  const jobs = [
    {
      key: 'bad',
      worker: told('bad', [answer(1), answer(1, false), answer(1, false)], []),
      line: 'x',
    },
    { key: 'not', worker: told('not', [], []), line: 'x' },
  ]
  const { byKey, wrong } = await measureJobs(jobs, 3, new AbortController().signal)
  t.deepEqual(Object.keys(byKey), ['bad'])
  t.deepEqual(wrong, ['bad (x)'])
})

test('a run that was given up asks no more', async (t) => {
  const stop = new AbortController()
  stop.abort(new Error('enough'))
  const asked: string[] = []
  const jobs = [{ key: 'a', worker: told('a', [answer(1)], asked), line: 'enc' }]
  await t.throwsAsync(measureJobs(jobs, 1, stop.signal), { message: 'enough' })
  t.deepEqual(asked, [])
})

test('the geometric mean of a half and a double is one, and nothing has none', (t) => {
  t.true(Math.abs((geometricMean([0.5, 2]) ?? 0) - 1) < 1e-12)
  t.is(geometricMean([]), undefined)
})

test('an answer keeps its four fields, whatever else a peer says', (t) => {
  const line = '{"peer":"x","iters":3,"bytes":8,"ns":5,"ok":true,"crc":1}'
  t.deepEqual(readAnswer('x', line), { iters: 3, bytes: 8, ns: 5, ok: true })
})

for (const line of ['', 'hello', '[]', '{"iters":1,"bytes":1,"ns":1}', '{"iters":-1}', 'null']) {
  test(`"${line}" is no answer of the protocol`, (t) => {
    t.throws(() => readAnswer('x', line), { code: 'PUR_EXEC_FAILED' })
  })
}
