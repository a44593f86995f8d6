import type { ExecuteContext } from '../execute/context.ts'
import { inNamespace, linkFailed } from '../links/batch.ts'

const FORGET_DEADLINE_MS = 5_000

/** Ends what goes through external addresses that are not answered here any more: a translated
 *  connection would go on under an address that belongs elsewhere now. Errors: PUR_LINK_FAILED. */
export async function forgetConnections(
  context: ExecuteContext,
  processId: number,
  addresses: readonly string[],
): Promise<void> {
  for (const address of addresses) {
    const family = address.includes(':') ? 'ipv6' : 'ipv4'
    // What came to the address has it as first destination, what left under it as last.
    for (const end of ['--orig-dst', '--reply-dst']) {
      const words = ['conntrack', '--delete', '--family', family, end, address]
      const [program = '', ...args] = inNamespace(processId, words)
      try {
        await context.run(program, args, {
          timeoutMs: FORGET_DEADLINE_MS,
          signal: context.signal,
          // It ends with 1 where there was no such connection.
          acceptedExitCodes: [1],
        })
      } catch (thrown) {
        throw linkFailed(`end connections through ${address}`, thrown)
      }
    }
  }
}
