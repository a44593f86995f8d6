import test from 'ava'
import { hastyClient } from '../../tests/samples.ts'
import { answer, serve } from '../../tests/serve.ts'

test('extents are read page by page, neighbours joined over the pages', async (t) => {
  await using server = await serve(({ query }, response) => {
    const first = query.get('offset') === '0'
    const extents = first
      ? [
          { offset: 0, length: 4096 },
          { offset: 8192, length: 4096 },
        ]
      : [{ offset: 12_288, length: 8192 }]
    answer(response, 200, { sizeBytes: 1e6, extents, ...(first && { next: 12_288 }) })
  })
  await using client = hastyClient(server)
  t.deepEqual(await Array.fromAsync(client.snapshots.extents('b', { since: 'a' })), [
    { offset: 0, length: 4096 },
    { offset: 8192, length: 12_288 },
  ])
  t.deepEqual(
    server.seen.map(({ method, path, query }) => `${method} ${path}?${query}`),
    [
      'GET /v1/snapshots/b/extents?offset=0&since=a',
      'GET /v1/snapshots/b/extents?offset=12288&since=a',
    ],
  )
})

test('a rollback names its snapshot', async (t) => {
  await using server = await serve((_request, response) =>
    answer(response, 200, { volume: 'v', snapshot: 's' }),
  )
  await using client = hastyClient(server)
  t.deepEqual(await client.volumes.rollback('v', 's'), { volume: 'v', snapshot: 's' })
  t.is(`${server.seen[0]?.method} ${server.seen[0]?.path}`, 'POST /v1/volumes/v/rollback')
  t.deepEqual(JSON.parse(server.seen[0]?.body ?? ''), { snapshot: 's' })
})
