import { newIdentifier } from '@purlin/base'
import type { RevisionOptions } from './call.ts'
import type { Transport } from './transport.ts'

/** The headers that make a call that changes something safe to repeat, and bound to the revision
 *  that the caller saw. */
export function mutationHeaders(
  transport: Transport,
  options: RevisionOptions | undefined,
): Record<string, string> {
  const { clock, random } = transport.options
  const key = options?.idempotencyKey ?? newIdentifier(clock.nowMs(), random)
  return {
    'idempotency-key': key,
    ...(options?.ifRevision !== undefined && { 'if-match': String(options.ifRevision) }),
  }
}
