import { PurlinError, type Run } from '@purlin/base'
import { inNamespace, linkFailed } from './batch.ts'

const ETHTOOL_DEADLINE_MS = 5_000

/** Makes the kernel finish checksums before frames leave the link. Open vSwitch's userspace
 *  datapath reads frames as they are on the link, and a checksum left to hardware that does not
 *  exist would reach the other machine unfinished. Read back. Errors: PUR_LINK_FAILED. */
export async function finishChecksums(
  run: Run,
  link: string,
  options: { readonly signal?: AbortSignal; readonly namespaceOf?: number } = {},
): Promise<void> {
  const what = `switch off transmit offload of ${link}`
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
    const features = await ethtool(['-k', link])
    if (/^tx-checksumming: off$/m.test(features)) return
  } catch (thrown) {
    throw linkFailed(what, thrown)
  }
  throw new PurlinError('PUR_LINK_FAILED', { message: `${what}: the kernel keeps it on` })
}
