import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { ConsoleEnd, MachineConsole } from '@purlin/sdk'
import { CommandFailure } from './exit-codes.ts'

export interface OneViewerOptions {
  /** On loopback; 0: a free one. */
  readonly port: number
  readonly onListening: (port: number) => void
  readonly signal: AbortSignal
}

/** Listens on loopback, joins the first who connects to the screen, and ends with either. Nobody
 *  else is let in. Errors: CommandFailure where the port is taken. */
export async function serveOneViewer(
  screen: MachineConsole,
  { port, onListening, signal }: OneViewerOptions,
): Promise<ConsoleEnd> {
  const server = createServer({ pauseOnConnect: true })
  server.listen({ port, host: '127.0.0.1', signal })
  try {
    await once(server, 'listening').catch((thrown: Error) => {
      throw new CommandFailure(`127.0.0.1:${port} cannot be listened on: ${thrown.message}`)
    })
    const address = server.address()
    onListening(typeof address === 'object' ? (address?.port ?? 0) : 0)
    const came = once(server, 'connection', { signal }).then(
      ([socket]: Socket[]) => socket,
      () => undefined,
    )
    const viewer = await Promise.race([came, screen.ended.then(() => undefined)])
    server.close()
    if (viewer !== undefined) {
      // Whoever ends first ends the other; the reason is the screen's to tell.
      await pipeline(viewer, screen, viewer).catch(() => undefined)
      screen.destroy()
    }
    return await screen.ended
  } finally {
    server.close()
    screen.destroy()
  }
}
