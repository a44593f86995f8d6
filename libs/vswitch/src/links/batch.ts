import { PurlinError, type Run } from '@purlin/base'
import type { BridgeSettings } from './link.ts'

const BATCH_DEADLINE_MS = 10_000

/** Runs `ip` commands in one process, in order; the first that fails ends it. With `namespaceOf`
 *  they run in the network namespace of that process. Errors: PUR_LINK_FAILED with ip's words. */
export async function runBatch(
  run: Run,
  what: string,
  commands: readonly string[],
  options: { readonly signal?: AbortSignal; readonly namespaceOf?: number } = {},
): Promise<void> {
  if (commands.length === 0) return
  const [program = 'ip', ...leading] = inNamespace(options.namespaceOf, ['ip'])
  try {
    await run(program, [...leading, '-batch', '-'], {
      timeoutMs: BATCH_DEADLINE_MS,
      input: `${commands.join('\n')}\n`,
      ...(options.signal && { signal: options.signal }),
    })
  } catch (thrown) {
    throw linkFailed(what, thrown)
  }
}

/** The command line that runs `command` in the network namespace of a process. */
export function inNamespace(
  processId: number | undefined,
  command: readonly string[],
): readonly string[] {
  return processId === undefined
    ? command
    : ['nsenter', `--net=/proc/${processId}/ns/net`, '--', ...command]
}

/** Turns a program's failure into PUR_LINK_FAILED; a cancelled call stays what it is. */
export function linkFailed(what: string, thrown: unknown): PurlinError {
  if (thrown instanceof PurlinError && thrown.code === 'PUR_CANCELLED') return thrown
  return new PurlinError('PUR_LINK_FAILED', {
    message: `${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    cause: thrown,
  })
}

/** The words of `ip` for a bridge's settings. */
export function bridgeWords(settings: BridgeSettings): string {
  return [
    `stp_state ${settings.stp}`,
    `forward_delay ${settings.forwardDelay}`,
    `ageing_time ${settings.ageing}`,
    `mcast_snooping ${settings.multicastSnooping}`,
    `nf_call_iptables ${settings.filterIpv4}`,
    `nf_call_ip6tables ${settings.filterIpv6}`,
  ].join(' ')
}
