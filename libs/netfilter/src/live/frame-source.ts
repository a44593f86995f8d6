import { PurlinError, type Run } from '@purlin/base'
import { netlinkAddon } from '../netlink/addon.ts'
import { errorText } from '../netlink/exchange.ts'

const NAME = 'plive%d'
const COMMAND_MS = 5_000

/** A place from which frames come in at a device as if that had received them. */
export interface FrameSource {
  /** The frame has gone its whole way when this returns. Errors: PUR_LIVE_UNAVAILABLE. */
  send(frame: Uint8Array): void
  /** Takes all of it away. */
  close(): void
}

/** Makes a device of our own whose received frames the kernel takes for those of `device`. It is
 *  nobody's port, nothing is sent to it, and it ends with this process.
 *  Errors: PUR_LIVE_UNAVAILABLE (says what is missing), PUR_CANCELLED. */
export async function openFrameSource(
  device: string,
  run: Run,
  signal: AbortSignal,
): Promise<FrameSource> {
  const tap = new (netlinkAddon().TapDevice)(NAME)
  if (tap.failure !== null) {
    const { failed, errno } = tap.failure
    throw unavailable(`a device for the packet: ${failed}: ${errorText(errno)}`)
  }
  const { name } = tap
  const options = { timeoutMs: COMMAND_MS, signal }
  try {
    await run('ip', ['link', 'set', name, 'up'], options)
    const all = 'protocol all u32 match u32 0 0'
    const lines = [
      `qdisc add dev ${name} clsact`,
      `filter add dev ${name} ingress ${all} action mirred ingress redirect dev ${device}`,
    ]
    await run('tc', ['-batch', '-'], { ...options, input: `${lines.join('\n')}\n` })
  } catch (thrown) {
    tap.close()
    if (!(thrown instanceof PurlinError) || thrown.code === 'PUR_CANCELLED') throw thrown
    throw unavailable(`frames cannot be handed to ${device}: ${thrown.message}`, thrown)
  }
  return {
    send: (frame) => {
      const errno = tap.send(frame)
      if (errno !== 0) throw unavailable(`the packet was not taken: ${errorText(errno)}`)
    },
    close: () => tap.close(),
  }
}

function unavailable(message: string, cause?: unknown): PurlinError {
  return new PurlinError('PUR_LIVE_UNAVAILABLE', { message, cause })
}
