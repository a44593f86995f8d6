import { createVirtualClock } from '@purlin/base'
import { taskEnded } from '@purlin/schema'
import test, { type ExecutionContext } from 'ava'
import { codeOf } from '../tests/contract.ts'
import { openSqliteStore } from './sqlite/open.ts'
import { createTaskLog } from './task-log.ts'

const targets = [{ kind: 'VirtualMachine', name: 'web-1' }]

async function openLog(t: ExecutionContext) {
  const clock = createVirtualClock(1_700_000_000_000)
  const store = await openSqliteStore({ file: ':memory:', clock })
  t.teardown(() => store.close())
  return { store, clock, log: createTaskLog(store, clock) }
}

test('a task is queued, runs, and ends with its time', async (t) => {
  const { log, clock } = await openLog(t)
  const made = await log.create('apply', targets, { progress: { total: 3, text: 'rules' } })
  t.is(made.state, 'queued')
  t.deepEqual(made.progress, { done: 0, total: 3, text: 'rules' })
  await log.update(made.id, { state: 'running' })
  await clock.advance(500)
  await log.update(made.id, { progress: { done: 2 } })
  const ended = await log.update(made.id, { state: 'succeeded', result: { changed: 1 } })
  t.is(ended.endedAtMs, made.createdAtMs + 500)
  t.deepEqual(ended.progress, { done: 2, total: 3, text: 'rules' })
  t.deepEqual(await log.get(made.id), ended)
})

test('an ended task stays as it is', async (t) => {
  const { log } = await openLog(t)
  const { id } = await log.create('apply', targets)
  await log.cancel(id)
  t.is((await log.get(id)).state, 'cancelled')
  t.is(codeOf(await t.throwsAsync(log.cancel(id))), 'PUR_TASK_ENDED')
  t.is(codeOf(await t.throwsAsync(log.update(id, { progress: { done: 1 } }))), 'PUR_TASK_ENDED')
})

test('a step that the table of states does not have is refused', async (t) => {
  const { log } = await openLog(t)
  const { id } = await log.create('apply', targets)
  await log.update(id, { state: 'running' })
  t.is(codeOf(await t.throwsAsync(log.update(id, { state: 'queued' }))), 'PUR_STATE_ILLEGAL')
  t.is((await log.get(id)).state, 'running')
})

test('an unknown task is missing, also under an odd name', async (t) => {
  const { log } = await openLog(t)
  for (const id of ['none', '../x', 'ä', '']) {
    t.is(codeOf(await t.throwsAsync(log.get(id))), 'PUR_TASK_MISSING', id)
  }
})

test('a prepared task is stored with what it is about, or not at all', async (t) => {
  const { log, store } = await openLog(t)
  const { task, write } = log.prepare('apply', targets)
  const writes = [write, { put: '/resource/x', value: 1 }]
  await t.throwsAsync(store.transact({ guards: [{ key: '/resource/x', revision: 7 }], writes }))
  t.is(codeOf(await t.throwsAsync(log.get(task.id))), 'PUR_TASK_MISSING')
  await store.transact({ writes })
  t.deepEqual(await log.get(task.id), task)
})

test('tasks are listed newest first', async (t) => {
  const { log, clock } = await openLog(t)
  const ids: string[] = []
  for (let n = 0; n < 5; n++) {
    ids.push((await log.create('apply', targets)).id)
    await clock.advance(1)
  }
  t.deepEqual(
    (await log.list()).map(({ id }) => id),
    ids.toReversed(),
  )
})

test('a wait answers at the next change, at the end, or when its time is over', async (t) => {
  const { log, clock } = await openLog(t)
  const { id } = await log.create('apply', targets)
  const changed = log.wait(id, 60_000)
  await clock.advance(0)
  await log.update(id, { state: 'running' })
  t.is((await changed).state, 'running')

  const over = log.wait(id, 5_000)
  await clock.advance(5_000)
  t.is((await over).state, 'running')

  t.is((await log.wait(id, 0)).state, 'running')
  await log.update(id, { state: 'failed', problem: { code: 'PUR_INTERNAL', detail: 'x' } })
  t.true(taskEnded(await log.wait(id, 60_000)))
  t.is(clock.sleepers(), 0)
})

test('a wait that is given up answers with the task as it is', async (t) => {
  const { log, clock } = await openLog(t)
  const { id } = await log.create('apply', targets)
  const stop = new AbortController()
  const waiting = log.wait(id, 60_000, stop.signal)
  await clock.advance(0)
  stop.abort()
  t.is((await waiting).state, 'queued')
  t.is(clock.sleepers(), 0)
})

test('changes made at once all arrive', async (t) => {
  const { log } = await openLog(t)
  const { id } = await log.create('apply', targets)
  await Promise.all([
    log.update(id, { progress: { done: 1 } }),
    log.update(id, { progress: { total: 9 } }),
    log.update(id, { state: 'running' }),
  ])
  const task = await log.get(id)
  t.is(task.state, 'running')
  t.deepEqual(task.progress, { done: 1, total: 9, text: '' })
})

test('a trim keeps tasks that have not ended, and the newest that have', async (t) => {
  const { log, clock } = await openLog(t)
  const ids: string[] = []
  for (let n = 0; n < 6; n++) {
    const { id } = await log.create('apply', targets)
    ids.push(id)
    if (n !== 0) await log.cancel(id)
    await clock.advance(1)
  }
  await log.trim(2)
  t.deepEqual(
    (await log.list()).map(({ id }) => id),
    [ids[5], ids[4], ids[0]],
  )
})
