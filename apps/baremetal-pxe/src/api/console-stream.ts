import type { Writable } from 'node:stream'
import { toPurlinError } from '@purlin/base'
import type { ConsoleEvent as BmcConsoleEvent } from '@purlin/bmc'
import type { ConsoleEvent } from '@purlin/schema'

const ALIVE_MS = 15_000

/** Writes a console to a client: one JSON object a line; an empty line each 15 s shows that the
 *  connection lives. Nothing is taken of the console while the client does not read, so that what
 *  it misses is skipped where the console's readers are bounded, and is not held here. Ends with
 *  the console or the client; what fails on the way is told in the last line. */
export async function writeConsole(
  client: Writable,
  events: AsyncIterable<BmcConsoleEvent>,
  nowMs: () => number,
): Promise<void> {
  client.write('\n')
  const alive = setInterval(() => {
    if (!client.writableNeedDrain) client.write('\n')
  }, ALIVE_MS)
  alive.unref()
  try {
    for await (const event of events) {
      if (client.destroyed) break
      if (!client.write(lineOf(event))) await drained(client)
    }
  } catch (thrown) {
    const reason = toPurlinError(thrown).message
    if (!client.destroyed) client.write(lineOf({ kind: 'ended', atMs: nowMs(), reason }))
  } finally {
    clearInterval(alive)
    client.end()
  }
}

/** Until the client has read, or is gone. */
async function drained(client: Writable): Promise<void> {
  if (client.destroyed) return
  await new Promise<void>((resolve) => {
    const over = (): void => {
      client.off('drain', over)
      client.off('close', over)
      resolve()
    }
    client.on('drain', over)
    client.on('close', over)
  })
}

function lineOf(event: BmcConsoleEvent): string {
  const told: ConsoleEvent =
    event.kind === 'output'
      ? {
          ...{ kind: 'output', atMs: event.atMs },
          base64: Buffer.from(event.bytes).toString('base64'),
        }
      : event
  return `${JSON.stringify(told)}\n`
}
