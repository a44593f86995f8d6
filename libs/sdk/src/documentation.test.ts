import { readFile } from 'node:fs/promises'
import { run } from '@purlin/base'
import test from 'ava'
import { groupOf, taskOf } from '../tests/samples.ts'
import { answer, serve } from '../tests/serve.ts'

const page = await readFile(new URL('../../../docs/sdk.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text = '']) => text)
const node = [
  '--conditions=purlin-source',
  '--disable-warning=ExperimentalWarning',
  '--input-type=module-typescript',
  '--eval',
]

test('the page of the SDK has examples', (t) => {
  t.true(blocks.length >= 6)
})

for (const [index, block] of blocks.entries()) {
  test(`example ${index} of the SDK's page runs as it is written`, async (t) => {
    await using server = await serve(({ method, path }, response) => {
      if (path === '/healthz') answer(response, 200, { status: 'ok', host: 'h1' })
      else if (path === '/v1/events') response.end(`data: ${JSON.stringify(sampleEvent)}\n\n`)
      else if (path === '/v1/security-groups/web' && method === 'GET') {
        answer(response, 200, groupOf(1))
      } else if (path === '/v1/chassis') answer(response, 200, { items: [sampleChassis] })
      else if (path.endsWith('/enrol')) answer(response, 200, { untilMs: 1 })
      else if (method === 'GET') answer(response, 200, { items: [] })
      else answer(response, 202, taskOf())
    })
    const ended = await run(process.execPath, [...node, block], {
      timeoutMs: 60_000,
      environment: { PURLIN_SOCKET: server.socketPath },
      workingFolder: new URL('../../..', import.meta.url).pathname,
    })
    t.is(ended.stderr, '')
    t.snapshot(ended.stdout)
  })
}

const sampleEvent = {
  sequence: 1,
  type: 'resource.enforced',
  subject: { kind: 'Port', name: 'web-1.eth0' },
  message: 'in force',
}

const sampleChassis = {
  name: 'rack1-u07',
  status: {
    power: 'on',
    report: { product: 'Standard PC' },
    life: { state: 'failed', failure: { cause: 'it never asked what to boot' } },
  },
}
