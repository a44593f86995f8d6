import test from 'ava'
import { Turns } from './turns.ts'

test('work that is asked for while it runs is run once more, not twice', async (t) => {
  let runs = 0
  const gate = Promise.withResolvers<void>()
  const turns = new Turns(async () => {
    runs += 1
    if (runs === 1) await gate.promise
  })
  const first = turns.ask()
  const others = [turns.ask(), turns.ask(), turns.ask()]
  gate.resolve()
  await first
  await Promise.all(others)
  t.is(runs, 2)
})

test('whoever asks waits for a run that began after that', async (t) => {
  const seen: number[] = []
  let value = 0
  const turns = new Turns(async () => {
    const begun = value
    await new Promise((resolve) => setImmediate(resolve))
    seen.push(begun)
  })
  void turns.ask()
  value = 1
  await turns.ask()
  t.is(seen.at(-1), 1)
})

test('what is stopped runs no more and keeps nobody waiting', async (t) => {
  let runs = 0
  const turns = new Turns(async () => {
    runs += 1
  })
  await turns.ask()
  turns.stop()
  await turns.ask()
  t.is(runs, 1)
})
