import type { ServerResponse } from 'node:http'
import { PurlinError } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { hastyClient } from '../../tests/samples.ts'
import { refuse, serve } from '../../tests/serve.ts'
import { type ServerSentMessage, serverSentMessages } from './server-sent.ts'

function eventOf(sequence: number) {
  return {
    sequence,
    atMs: sequence,
    type: 'resource.enforced',
    severity: 'notice',
    subject: { kind: 'Port', name: 'web-1.eth0' },
    message: `number ${sequence}`,
  }
}

function open(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
}

function send(response: ServerResponse, ...sequences: readonly number[]): void {
  for (const sequence of sequences) {
    response.write(`id: ${sequence}\nevent: event\ndata: ${JSON.stringify(eventOf(sequence))}\n\n`)
  }
}

async function take(events: AsyncIterable<{ sequence: number }>, count: number) {
  const taken: number[] = []
  for await (const { sequence } of events) {
    taken.push(sequence)
    if (taken.length === count) break
  }
  return taken
}

test('without follow the iteration ends behind the last event', async (t) => {
  await using server = await serve((_request, response) => {
    open(response)
    send(response, 4, 5)
    response.end()
  })
  await using client = hastyClient(server)
  t.deepEqual(await take(client.events({ after: 3, follow: false }), 99), [4, 5])
  t.is(server.seen[0]?.query.get('after'), '3')
  t.is(server.seen[0]?.query.get('follow'), 'false')
})

test('a lost connection is resumed: no gap and nothing twice', async (t) => {
  await using server = await serve((request, response) => {
    const last = Number(request.headers['last-event-id'] ?? 0)
    open(response)
    // Each connection repeats one event, gives two new ones, and is cut within the next.
    send(response, ...[last, last + 1, last + 2].filter((sequence) => sequence > 0))
    response.write(`id: ${last + 3}\ndata: {"sequ`, () => response.destroy())
  })
  await using client = hastyClient(server)
  t.deepEqual(await take(client.events({ after: 0 }), 7), [1, 2, 3, 4, 5, 6, 7])
  t.deepEqual(
    server.seen.map(({ headers }) => headers['last-event-id']),
    [undefined, '2', '4', '6'],
  )
})

test('a stream that says where it stands is resumed there before its first event', async (t) => {
  await using server = await serve((_request, response, earlier) => {
    open(response)
    if (earlier.length === 0) {
      response.write('id: 41\n\n', () => response.end())
      return
    }
    send(response, 42)
  })
  await using client = hastyClient(server)
  t.deepEqual(await take(client.events(), 1), [42])
  t.is(server.seen[0]?.query.get('after'), null)
  t.is(server.seen[1]?.query.get('after'), '41')
})

test('an agent that stays away ends the iteration after twenty attempts', async (t) => {
  await using server = await serve((_request, response) => {
    open(response)
    response.end(': bye\n\n')
  })
  await using client = hastyClient(server)
  const error = await t.throwsAsync(take(client.events(), 1), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_AGENT_UNREACHABLE')
  t.is(server.seen.length, 20)
})

test('a resume behind what the agent keeps is an error at once', async (t) => {
  await using server = await serve((_request, response) =>
    refuse(response, 412, 'PUR_STORE_COMPACTED'),
  )
  await using client = hastyClient(server)
  const error = await t.throwsAsync(take(client.events({ after: 1 }), 1), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_STORE_COMPACTED')
  t.is(server.seen.length, 1)
})

test('aborting ends the iteration without an error', async (t) => {
  const controller = new AbortController()
  await using server = await serve((_request, response) => {
    open(response)
    send(response, 1)
  })
  await using client = hastyClient(server)
  const taken: number[] = []
  for await (const { sequence } of client.events({ signal: controller.signal })) {
    taken.push(sequence)
    controller.abort()
  }
  t.deepEqual(taken, [1])
})

async function messagesOf(chunks: readonly Uint8Array[]): Promise<ServerSentMessage[]> {
  async function* source() {
    yield* chunks
  }
  const messages: ServerSentMessage[] = []
  for await (const message of serverSentMessages(source())) messages.push(message)
  return messages
}

test('messages do not depend on where the stream is cut into chunks', async (t) => {
  const text =
    ': hello\r\nid: 1\r\ndata: grüße\r\ndata:\tzwei\r\n\r\nid: 2\rdata: x\r\rid: 3\n\ndata\n\n'
  const bytes = new TextEncoder().encode(text)
  const expected = [
    { id: '1', text: 'grüße\n\tzwei' },
    { id: '2', text: 'x' },
    { id: '3', text: '' },
    { id: '3', text: '' },
  ]
  t.deepEqual(await messagesOf([bytes]), expected)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 20 }), async (cuts) => {
      const ends = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
      const chunks = ends.slice(1).map((end, index) => bytes.subarray(ends[index], end))
      t.deepEqual(await messagesOf(chunks), expected)
    }),
  )
})

test('a message without an end is an error, not a growing buffer', async (t) => {
  const chunk = new Uint8Array(1024 * 1024).fill(120)
  await t.throwsAsync(messagesOf(Array.from({ length: 6 }, () => chunk)), {
    message: /too long/,
  })
})
