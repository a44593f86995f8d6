import { PurlinError } from '@purlin/base'
import test from 'ava'
import { hastyClient, taskOf } from '../../tests/samples.ts'
import { answer, serve } from '../../tests/serve.ts'

const steps = [
  { state: 'queued', progress: { done: 0, total: 2, text: 'queued' } },
  { state: 'running', progress: { done: 1, total: 2, text: 'nft' } },
  { state: 'running', progress: { done: 1, total: 2, text: 'nft' } },
  { state: 'succeeded', progress: { done: 2, total: 2, text: 'done' } },
]

test('waiting asks until the end and reports each new progress once', async (t) => {
  await using server = await serve((_request, response, earlier) =>
    answer(response, 200, taskOf(steps[earlier.length] ?? steps[3])),
  )
  await using client = hastyClient(server)
  const handle = await client.tasks.handle('t1')
  const texts: string[] = []
  const task = await handle.wait({ onProgress: ({ text }) => texts.push(text) })
  t.is(task.state, 'succeeded')
  t.deepEqual(texts, ['queued', 'nft', 'done'])
  t.is(server.seen[1]?.query.get('waitMs'), '15000')
})

test('a handle can be iterated for its progress', async (t) => {
  await using server = await serve((_request, response, earlier) =>
    answer(response, 200, taskOf(steps[earlier.length] ?? steps[3])),
  )
  await using client = hastyClient(server)
  const done: number[] = []
  for await (const progress of await client.tasks.handle('t1')) done.push(progress.done)
  t.deepEqual(done, [0, 1, 2])
})

test('a failed task throws its problem with the id of the task', async (t) => {
  const problem = {
    code: 'PUR_IMAGE_MISSING',
    detail: 'no image probe',
    context: { image: 'probe' },
  }
  await using server = await serve((_request, response) =>
    answer(response, 200, taskOf({ state: 'failed', problem })),
  )
  await using client = hastyClient(server)
  const handle = await client.tasks.handle('t1')
  const error = await t.throwsAsync(handle.wait(), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_IMAGE_MISSING')
  t.is(error?.message, 'no image probe')
  t.deepEqual(error?.context, { image: 'probe', task: 't1' })
})

test('a cancelled task throws PUR_CANCELLED', async (t) => {
  await using server = await serve(({ path }, response) =>
    answer(response, 200, taskOf({ state: path.endsWith('cancel') ? 'cancelled' : 'running' })),
  )
  await using client = hastyClient(server)
  const handle = await client.tasks.handle('t1')
  t.is((await handle.cancel()).state, 'cancelled')
  t.is(server.seen[1]?.path, '/v1/tasks/t1/cancel')
  const error = await t.throwsAsync(handle.wait(), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_CANCELLED')
})

test('waiting outlives an agent that restarts', async (t) => {
  await using server = await serve((_request, response, earlier) => {
    if (earlier.length === 0) answer(response, 200, taskOf(steps[0]))
    else if (earlier.length < 10) response.destroy()
    else answer(response, 200, taskOf())
  })
  await using client = hastyClient(server)
  const handle = await client.tasks.handle('t1')
  t.is((await handle.wait()).state, 'succeeded')
})

test('waiting ends at its deadline, the task goes on', async (t) => {
  await using server = await serve((_request, response, earlier) => {
    if (earlier.length === 0) answer(response, 200, taskOf({ state: 'running' }))
  })
  await using client = hastyClient(server)
  const handle = await client.tasks.handle('t1')
  const error = await t.throwsAsync(handle.wait({ deadlineMs: 50 }), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_DEADLINE_PASSED')
  t.false(server.seen.some(({ path }) => path.endsWith('cancel')))
})
