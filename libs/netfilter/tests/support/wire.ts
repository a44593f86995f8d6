import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROBE = fileURLToPath(new URL('../../../../.purlin/probe/probe', import.meta.url))

/** A device on which raw frames are sent and seen. */
export interface Wire {
  send(frames: readonly string[]): void
  /** Called with each frame that comes in. */
  onFrame: (frame: string) => void
  stop(): Promise<void>
}

/** Opens a device of the present namespace, or of the one at `namespace` (a path). */
export function openWire(device: string, namespace?: string): Wire {
  const command = [PROBE, 'frames', device]
  const [program = '', ...args] =
    namespace === undefined ? command : ['nsenter', `--net=${namespace}`, '--', ...command]
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const wire: Wire = {
    send: (frames) => void child.stdin?.write(`${frames.join('\n')}\n`),
    onFrame: () => undefined,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.stdin?.end()
      child.kill('SIGTERM')
      await ended
    },
  }
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (line) => wire.onFrame(line))
  return wire
}
