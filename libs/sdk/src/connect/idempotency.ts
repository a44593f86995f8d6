import { newIdentifier } from '@purlin/base'
import type { MutationOptions } from './call.ts'
import type { Transport } from './transport.ts'

/** The headers that make a call that changes something safe to repeat. */
export function mutationHeaders(
  transport: Transport,
  options: MutationOptions | undefined,
): Record<string, string> {
  const { clock, random } = transport.options
  const key = options?.idempotencyKey ?? newIdentifier(clock.nowMs(), random)
  return { 'idempotency-key': key }
}
