import { PurlinError } from '@purlin/base'
import type { Event } from '@purlin/schema'
import type { Sandbox } from '../sandbox.ts'

/** Serves until `signal`: says where the API is and writes each event as it happens. Returns at the
 *  signal; errors when the sandbox ends by itself: PUR_AGENT_UNREACHABLE. */
export async function stay(sandbox: Sandbox, signal: AbortSignal): Promise<void> {
  process.stderr.write(
    [
      '',
      `The API answers on ${sandbox.socket}; in another terminal: ./purlin get vm`,
      'Events as they happen; Ctrl-C ends the sandbox and takes everything away.',
      '',
    ].join('\n'),
  )
  for await (const event of sandbox.client.events({ signal })) {
    process.stderr.write(`${eventLine(event)}\n`)
  }
  if (signal.aborted) return
  throw new PurlinError('PUR_AGENT_UNREACHABLE', { message: 'the sandbox’s agent ended' })
}

/** `12:04:07 notice VirtualMachine web-1: running`. Times are UTC. Pure. */
export function eventLine({ atMs, severity, subject, message }: Event): string {
  const time = new Date(atMs).toISOString().slice(11, 19)
  return `${time} ${severity} ${subject.kind} ${subject.name}: ${message}`
}
