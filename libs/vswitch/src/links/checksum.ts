import { PurlinError, type Run } from '@purlin/base'
import { inNamespace, linkFailed } from './batch.ts'

const ETHTOOL_DEADLINE_MS = 10_000

/** Makes the kernel finish checksums before frames leave the link. Open vSwitch's userspace
 *  datapath reads frames as they are on the link, and a checksum left to hardware that does not
 *  exist would reach the other machine unfinished. Read back. Errors: PUR_LINK_FAILED. */
export async function finishChecksums(
  run: Run,
  link: string,
  options: { readonly signal?: AbortSignal; readonly namespaceOf?: number } = {},
): Promise<void> {
  const ethtool = async (args: readonly string[]): Promise<string> => {
    const [program = '', ...rest] = inNamespace(options.namespaceOf, ['ethtool', ...args])
    const settings = {
      timeoutMs: ETHTOOL_DEADLINE_MS,
      ...(options.signal && { signal: options.signal }),
    }
    return (await run(program, rest, settings)).stdout
  }
  try {
    await ethtool(['-K', link, 'tx', 'off'])
    assertFinished([link], await ethtool(['-k', link]))
  } catch (thrown) {
    throw failed(link, thrown)
  }
}

/** The same for many links: ethtool takes one link a call, so xargs calls it, which costs a third
 *  of calls from here; one call reads all links back. Errors: PUR_LINK_FAILED. */
export async function finishChecksumsOf(
  run: Run,
  links: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const [first, second] = links
  if (first === undefined) return
  if (second === undefined) return await finishChecksums(run, first, { signal })
  const settings = { timeoutMs: ETHTOOL_DEADLINE_MS, signal }
  try {
    const input = `${links.join('\n')}\n`
    await run('xargs', ['-I{}', 'ethtool', '-K', '{}', 'tx', 'off'], { ...settings, input })
    assertFinished(links, (await run('ethtool', ['-k', '*'], settings)).stdout)
  } catch (thrown) {
    throw failed(`${first} and ${links.length - 1} others`, thrown)
  }
}

/** Errors: PUR_LINK_FAILED with the links of which ethtool's features say otherwise. */
function assertFinished(links: readonly string[], features: string): void {
  const finished = new Set(
    features
      .split(/^(?=Features for )/m)
      .filter((part) => /^tx-checksumming: off$/m.test(part))
      .map((part) => /^Features for (\S+):$/m.exec(part)?.[1]),
  )
  const left = links.filter((link) => !finished.has(link))
  if (left.length === 0) return
  throw new PurlinError('PUR_LINK_FAILED', {
    message: `the kernel keeps it on: ${left.join(', ')}`,
  })
}

function failed(links: string, thrown: unknown): PurlinError {
  return linkFailed(`switch off transmit offload of ${links}`, thrown)
}
