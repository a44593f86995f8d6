import type { Event } from '@purlin/schema'
import type { FastifyReply } from 'fastify'

const KEEP_ALIVE_MS = 15_000

/** Sends events as server-sent events until they end or the reader goes. Each carries its sequence
 *  as `id:`, so that a reader resumes with Last-Event-ID; `after` is the number to resume from
 *  before the first. A comment every 15 s keeps the connection alive. */
export async function sendEvents(
  reply: FastifyReply,
  after: number,
  events: AsyncIterable<Event>,
): Promise<void> {
  reply.hijack()
  const raw = reply.raw
  raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    connection: 'keep-alive',
  })
  // The number to resume from, also when the connection is lost before the first event.
  raw.write(`id: ${after}\n\n`)
  const keepAlive = setInterval(() => raw.write(': \n\n'), KEEP_ALIVE_MS)
  keepAlive.unref()
  try {
    for await (const event of events) {
      if (raw.destroyed) break
      const text = `id: ${event.sequence}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
      if (!raw.write(text)) await drained(raw)
    }
  } finally {
    clearInterval(keepAlive)
    raw.end()
  }
}

async function drained(raw: FastifyReply['raw']): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      raw.off('drain', done)
      raw.off('close', done)
      resolve()
    }
    raw.once('drain', done)
    raw.once('close', done)
  })
}
