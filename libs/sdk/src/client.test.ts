import { PurlinError } from '@purlin/base'
import test from 'ava'
import { hastyClient, hastyClock, taskOf } from '../tests/samples.ts'
import { answer, refuse, serve } from '../tests/serve.ts'
import { createClient } from './index.ts'

const group = { kind: 'SecurityGroup', name: 'web', spec: {} } as const
const denied = { instanceOf: PurlinError }

test('a mutation carries an idempotency key, the same on each attempt', async (t) => {
  await using server = await serve((_request, response, earlier) =>
    earlier.length < 2 ? void response.destroy() : answer(response, 202, taskOf()),
  )
  await using client = hastyClient(server)
  const handle = await client.apply([group])
  t.is(handle.id, 't1')
  t.is(server.seen.length, 3)
  const keys = server.seen.map(({ headers }) => headers['idempotency-key'])
  t.regex(String(keys[0]), /^[0-9a-hjkmnp-tv-z]{26}$/)
  t.is(new Set(keys).size, 1)
})

test('two calls have two keys', async (t) => {
  await using server = await serve((_request, response) => answer(response, 202, taskOf()))
  await using client = hastyClient(server)
  await client.apply([group])
  await client.apply([group])
  t.is(new Set(server.seen.map(({ headers }) => headers['idempotency-key'])).size, 2)
})

test('an agent that is away is asked five times with growing pauses', async (t) => {
  const clock = hastyClock()
  await using client = createClient(
    { socketPath: '/nonexistent/agent.sock' },
    { clock, random: () => new Uint8Array([0]) },
  )
  const error = await t.throwsAsync(client.alerts(), denied)
  t.is(error?.code, 'PUR_AGENT_UNREACHABLE')
  t.regex(error?.message ?? '', /\/nonexistent\/agent\.sock: there is no such socket/)
  t.deepEqual(clock.sleptMs, [100, 200, 400, 800])
})

test('an agent that is unavailable is asked again', async (t) => {
  await using server = await serve((_request, response, earlier) =>
    earlier.length === 0
      ? refuse(response, 503, 'PUR_AGENT_UNHEALTHY')
      : answer(response, 200, { items: [] }),
  )
  await using client = hastyClient(server)
  t.deepEqual(await client.alerts(), [])
  t.is(server.seen.length, 2)
})

test('503 with a code that only a person can mend is not asked again', async (t) => {
  await using server = await serve((_request, response) =>
    refuse(response, 503, 'PUR_EXEC_NOT_FOUND'),
  )
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.doctor(), denied)
  t.is(error?.code, 'PUR_EXEC_NOT_FOUND')
  t.is(server.seen.length, 1)
})

for (const [status, code] of [
  [401, 'PUR_AUTH_REQUIRED'],
  [403, 'PUR_AUTH_FORBIDDEN'],
  [404, 'PUR_RESOURCE_MISSING'],
  [409, 'PUR_RESOURCE_IN_USE'],
  [412, 'PUR_RESOURCE_REVISION'],
  [422, 'PUR_INVALID'],
  [507, 'PUR_STORE_FULL'],
] as const) {
  test(`${status} becomes ${code} and is never asked again`, async (t) => {
    await using server = await serve((_request, response) =>
      refuse(response, status, code, {
        problems: [{ document: 2, path: 'spec.cpus', message: 'is too much' }],
        context: { revision: 7 },
      }),
    )
    await using client = hastyClient(server)
    const error = await t.throwsAsync(client.securityGroups.get('web'), denied)
    t.is(error?.code, code)
    t.is(error?.message, `refused with ${code}`)
    t.deepEqual(error?.problems, [{ document: 2, path: 'spec.cpus', message: 'is too much' }])
    t.deepEqual(error?.context, { revision: 7 })
    t.is(server.seen.length, 1)
  })
}

test('a code that the client does not know becomes PUR_INTERNAL and keeps its text', async (t) => {
  await using server = await serve((_request, response) => refuse(response, 409, 'PUR_NEW_FACT'))
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.alerts(), denied)
  t.is(error?.code, 'PUR_INTERNAL')
  t.is(error?.message, 'refused with PUR_NEW_FACT (PUR_NEW_FACT)')
  t.is(error?.context.answeredCode, 'PUR_NEW_FACT')
})

test('an error without a problem document says its status and text', async (t) => {
  await using server = await serve((_request, response) => {
    response.writeHead(404).end('<html>no</html>')
  })
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.alerts(), denied)
  t.is(error?.code, 'PUR_INTERNAL')
  t.is(error?.message, 'GET /v1/alerts: answered 404: <html>no</html>')
})

test('a call without an answer ends at its deadline', async (t) => {
  await using server = await serve(() => undefined)
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.alerts({ deadlineMs: 50 }), denied)
  t.is(error?.code, 'PUR_DEADLINE_PASSED')
})

test('an aborted signal ends a call with PUR_CANCELLED', async (t) => {
  const controller = new AbortController()
  await using server = await serve(() => controller.abort())
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.alerts({ signal: controller.signal }), denied)
  t.is(error?.code, 'PUR_CANCELLED')
})

test('a manifest with problems is refused before anything is sent', async (t) => {
  await using server = await serve((_request, response) => answer(response, 202, taskOf()))
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.apply([group, { kind: 'Tree', name: 'oak' }]), denied)
  t.is(error?.code, 'PUR_INVALID')
  t.is(error?.problems[0]?.document, 1)
  t.is(server.seen.length, 0)
})

test('a reference that no document meets is left to the agent', async (t) => {
  await using server = await serve((_request, response) => answer(response, 202, taskOf()))
  await using client = hastyClient(server)
  await client.apply([{ kind: 'PortGroup', name: 'prod', spec: { switch: 'dvs0' } }])
  t.deepEqual(JSON.parse(server.seen[0]?.body ?? ''), {
    documents: [{ kind: 'PortGroup', name: 'prod', spec: { switch: 'dvs0' } }],
  })
})

test('a packet question outside the schema is refused before anything is sent', async (t) => {
  await using server = await serve((_request, response) => answer(response, 200, {}))
  await using client = hastyClient(server)
  const error = await t.throwsAsync(
    client.explainPacket({ from: 'a', to: 'b', protocol: 'tcp', destinationPort: 70_000 }),
    denied,
  )
  t.is(error?.code, 'PUR_INVALID')
  t.is(error?.problems[0]?.path, 'destinationPort')
  t.is(server.seen.length, 0)
})

test('health of an agent that is not well is an answer', async (t) => {
  const health = { status: 'degraded', version: '0', host: 'h', uptimeSeconds: 1, lanes: [] }
  await using server = await serve((_request, response) => answer(response, 503, health))
  await using client = hastyClient(server)
  t.is((await client.health()).status, 'degraded')
})

test('over TCP the token goes along', async (t) => {
  const { createServer } = await import('node:http')
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    answer(response, 200, { items: [] })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const client = hastyClient({ url: `http://127.0.0.1:${port}/`, token: 's3cret' })
  t.deepEqual(await client.tokens.list(), [])
  t.deepEqual(seen, ['Bearer s3cret'])
  await client.close()
  server.close()
})

test('a command in a guest is sent once: a lost answer does not tell whether it ran', async (t) => {
  await using server = await serve((_request, response) => void response.destroy())
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.virtualMachines.exec('web-1', ['reboot']), denied)
  t.is(error?.code, 'PUR_AGENT_UNREACHABLE')
  t.is(server.seen.length, 1)
})

test('a plan may leave the judging to the agent', async (t) => {
  const problems = [{ document: 0, path: 'kind', message: 'unknown' }]
  await using server = await serve((_request, response) =>
    refuse(response, 422, 'PUR_INVALID', { problems }),
  )
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.plan([{ kind: 'Tree' }], { checkFirst: false }), denied)
  t.deepEqual(error?.problems, problems)
  t.is(server.seen.length, 1)
})

test('the signal of a client ends every call of it', async (t) => {
  const controller = new AbortController()
  await using server = await serve(() => controller.abort())
  await using client = createClient(server, { signal: controller.signal })
  const error = await t.throwsAsync(client.alerts({ signal: new AbortController().signal }), denied)
  t.is(error?.code, 'PUR_CANCELLED')
})
