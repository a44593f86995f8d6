import { PurlinError } from '@purlin/base'
import test from 'ava'
import { ResumePace } from './resume-pace.ts'

test('a machine that stops again is held back twice as long each time, at most half a minute', (t) => {
  let nowMs = 0
  const pace = new ResumePace({
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async () => undefined,
  })
  const waits: number[] = []
  for (let round = 0; round < 8; round++) {
    const start = nowMs
    for (;;) {
      try {
        pace.admit('web-1')
        break
      } catch (thrown) {
        t.is((thrown as PurlinError).code, 'PUR_VIRT_IO_ERROR')
        nowMs += 500
      }
    }
    waits.push(nowMs - start)
  }
  t.deepEqual(waits, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  t.notThrows(() => pace.admit('db-1'))
  nowMs += 60_000
  t.notThrows(() => pace.admit('web-1'))
  nowMs += 1_000
  t.notThrows(() => pace.admit('web-1'), 'after a calm minute it begins anew')
  t.throws(() => pace.admit('web-1'), { instanceOf: PurlinError })
})
