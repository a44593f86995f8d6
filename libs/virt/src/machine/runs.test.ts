import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVirtualClock } from '@purlin/base'
import test from 'ava'
import type { PowerState } from './power-state.ts'
import { restOf } from './rest.ts'
import { type EndedRun, MachineRuns } from './runs.ts'

const seen = (state: PowerState, reason = 0) => [{ name: 'a', uuid: 'u', state, reason }]
const BY_GUEST = 1
const CRASHED = 3

function bench(file?: string, boot = { id: 'b1' }) {
  const clock = createVirtualClock()
  const runs = new MachineRuns({ clock, file, bootId: async () => boot.id })
  const end = async (reason: number): Promise<EndedRun | undefined> => {
    await runs.see(seen('running'))
    return (await runs.see(seen('stopped', reason))).get('u')
  }
  return { clock, runs, end }
}

/** Every cell: the policy, how the run ended, what becomes of it. */
for (const [restart, ended, autostart, rest] of [
  ['never', 'by-guest', true, 'ended'],
  ['never', 'by-crash', true, 'ended'],
  ['never', 'by-boot', true, 'none'],
  ['never', 'by-boot', false, 'after-boot'],
  ['onCrash', 'by-guest', true, 'ended'],
  ['onCrash', 'by-crash', true, 'none'],
  ['onCrash', 'by-boot', true, 'none'],
  ['onCrash', 'by-boot', false, 'after-boot'],
  ['always', 'by-guest', true, 'none'],
  ['always', 'by-crash', false, 'none'],
  ['always', 'by-boot', true, 'none'],
  ['always', 'by-boot', false, 'after-boot'],
] as const) {
  const words = `restart ${restart}, autostart ${autostart}, ended ${ended}: ${rest}`
  test(words, (t) => {
    const run = { generation: 2, ended, starts: 1, dueInMs: 0 }
    t.is(restOf({ generation: 2, restart, autostart }, run), rest)
    t.is(restOf({ generation: 3, restart, autostart }, run), 'none', 'a new wish begins anew')
    t.is(restOf({ generation: 2, restart, autostart }, undefined), 'none')
  })
}

test('the first restart comes at once, each further one waits twice as long, and the sixth never comes', async (t) => {
  const { clock, runs, end } = bench()
  const machine = { generation: 1, restart: 'onCrash' as const }
  const due: number[] = []
  const told: string[] = []
  runs.watch((reason) => told.push(reason), new AbortController().signal)
  for (let start = 0; start < 6; start++) {
    await runs.began('u', 1)
    const run = await end(CRASHED)
    due.push(run?.dueInMs ?? -1)
    t.is(restOf(machine, run), start === 5 ? 'gave-up' : start === 0 ? 'none' : 'pausing')
    await clock.advance(run?.dueInMs ?? 0)
  }
  t.deepEqual(due, [0, 1_000, 2_000, 4_000, 8_000, 16_000])
  t.is(told.length, 5)
})

test('a machine that ran calmly for ten minutes begins anew', async (t) => {
  const { clock, runs, end } = bench()
  for (let start = 0; start < 4; start++) {
    await runs.began('u', 1)
    await end(CRASHED)
  }
  await runs.began('u', 1)
  await clock.advance(600_001)
  t.like(await end(CRASHED), { starts: 0, dueInMs: 0 })
})

test('a machine that crashes under a newer generation than it was started for keeps its policy', async (t) => {
  const wanted = { generation: 1 }
  const runs = new MachineRuns({
    clock: createVirtualClock(),
    bootId: async () => 'b1',
    generationOf: () => wanted.generation,
  })
  await runs.began('u', 1)
  wanted.generation = 3
  await runs.see(seen('running'))
  const run = (await runs.see(seen('stopped', BY_GUEST))).get('u')
  t.is(restOf({ generation: 3, restart: 'never' }, run), 'ended')
  t.is(restOf({ generation: 4, restart: 'never' }, run), 'none', 'what is changed after the end')
})

test('who watches from now on is told of a pause that began before', async (t) => {
  const { clock, runs, end } = bench()
  for (let start = 0; start < 3; start++) {
    await runs.began('u', 1)
    await end(CRASHED)
  }
  const told: string[] = []
  runs.watch((reason) => told.push(reason), new AbortController().signal)
  for (let look = 0; look < 3; look++) await runs.see(seen('stopped', CRASHED))
  await clock.advance(2_000)
  t.deepEqual(told, ['machine a may be started again'])
})

test('a guest that powers off is told from a crash, saved memory from an end', async (t) => {
  const { runs, end } = bench()
  await runs.began('u', 1)
  t.like(await end(BY_GUEST), { ended: 'by-guest', generation: 1 })
  await runs.began('u', 1)
  t.like(await end(CRASHED), { ended: 'by-crash' })
  await runs.began('u', 1)
  t.is((await runs.see(seen('suspended'))).size, 0)
  t.is((await runs.see(seen('running'))).size, 0)
})

test('what somebody wants started is started as if it never ran', async (t) => {
  const { runs, end } = bench()
  await runs.began('u', 1)
  t.truthy(await end(BY_GUEST))
  const told: string[] = []
  runs.watch((reason) => told.push(reason), new AbortController().signal)
  await runs.forget('u')
  t.is((await runs.see(seen('stopped'))).size, 0)
  t.is(told.length, 1)
})

test('a run is known to the next agent, after a boot of the host, and forgotten with its machine', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'runs-'))
  const file = join(folder, 'runs.json')
  const first = bench(file)
  await first.runs.began('u', 4)
  t.is((await first.runs.see(seen('running'))).size, 0)
  const second = bench(file)
  t.like((await second.runs.see(seen('stopped', BY_GUEST))).get('u'), {
    generation: 4,
    ended: 'by-guest',
  })
  await second.runs.began('u', 4)
  const afterBoot = bench(file, { id: 'b2' })
  t.like((await afterBoot.runs.see(seen('stopped'))).get('u'), { ended: 'by-boot', dueInMs: 0 })
  await afterBoot.runs.see([])
  t.is((await bench(file).runs.see(seen('stopped'))).size, 0)
  await writeFile(file, 'not this')
  t.is((await bench(file).runs.see(seen('stopped'))).size, 0)
  await rm(folder, { recursive: true })
})
