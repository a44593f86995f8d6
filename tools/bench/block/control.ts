import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PurlinError } from '@purlin/base'
import { z } from 'zod'
import type { Server } from './servers.ts'

const CALL_MS = 120_000
const answer = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
})

/** Calls a daemon's control socket. Errors: PUR_INVALID with the daemon's sentence. */
export async function control(
  server: Server,
  call: string,
  words?: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const socket = connect(join(server.sockets, 'blockd.control.sock'))
  try {
    socket.write(`${JSON.stringify({ version: 1, id: 1, call, arguments: words })}\n`)
    const lines = createInterface({ input: socket })
    const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(CALL_MS) })
    const { result, error } = answer.parse(JSON.parse(String(line)))
    if (error !== undefined) throw new PurlinError('PUR_INVALID', { message: error.message })
    return result
  } finally {
    socket.destroy()
  }
}

const status = z.object({
  pools: z.array(
    z.object({
      engine: z.object({
        writtenBytes: z.number(),
        clientWrittenBytes: z.number(),
        logBytes: z.number(),
        memory: z.object({
          cacheBytes: z.number(),
          cacheBytesMax: z.number(),
          logBytes: z.number(),
          logBytesMax: z.number(),
          spaceBytes: z.number(),
          referenceBytes: z.number(),
        }),
        disks: z.array(z.object({ usedBytes: z.number() })),
      }),
    }),
  ),
})

/** What a daemon's only pool counts. */
export type Counters = z.infer<typeof status>['pools'][number]['engine']

/** Asks a daemon for what its only pool counts. Errors: PUR_INVALID without a pool. */
export async function counters(server: Server): Promise<Counters> {
  const [pool] = status.parse(await control(server, 'status')).pools
  if (pool === undefined) {
    throw new PurlinError('PUR_INVALID', { message: 'the daemon serves no pool' })
  }
  return pool.engine
}

/** Has everything in the log go home. */
export async function checkpoint(server: Server): Promise<void> {
  await control(server, 'pool-checkpoint', { pool: 'p' })
}
