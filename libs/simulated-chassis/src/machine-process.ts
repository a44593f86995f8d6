import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { machineArguments, monitorSocket, serialSocket } from './machine.ts'
import type { ChassisOptions } from './options.ts'
import { spawnTied } from './tied-process.ts'

/** Why a machine ended: it restarts, it went off by itself, its power was cut, or QEMU gave up. */
export type MachineEnd = 'restart' | 'off' | 'cut' | 'failed'

/** What QEMU tells when it ends because the machine is to start again. */
const RESTARTS = ['guest-reset', 'host-qmp-system-reset']
const CUT = 'cut'

export interface MachineStart {
  readonly options: ChassisOptions
  readonly inBandPort: number
  readonly networkFirst: boolean
  /** What the machine prints on its serial console. */
  readonly print: (bytes: Buffer) => void
}

/** One run of QEMU, from a power-on or a restart to the next. QEMU connects to this process, so
 *  that no byte of the console is lost and nothing has to be tried again. */
export class MachineProcess {
  readonly ended: Promise<MachineEnd>
  readonly #child: ChildProcess
  #monitor: Socket | undefined
  #serial: Socket | undefined
  #reason = ''

  private constructor(child: ChildProcess, servers: readonly Server[]) {
    this.#child = child
    this.ended = once(child, 'exit').then(([exitCode]) => {
      for (const server of servers) server.close()
      this.#monitor?.destroy()
      this.#serial?.destroy()
      return endOf(this.#reason, exitCode)
    })
  }

  static async start({
    options,
    inBandPort,
    networkFirst,
    print,
  }: MachineStart): Promise<MachineProcess> {
    const machine: { started?: MachineProcess } = {}
    const servers = [
      await listen(monitorSocket(options.folder), (socket) => {
        if (machine.started !== undefined) machine.started.#watch(socket)
      }),
      await listen(serialSocket(options.folder), (socket) => {
        if (machine.started !== undefined) machine.started.#serial = socket
        socket.on('data', print)
      }),
    ]
    const child = spawnTied(
      'qemu-system-x86_64',
      machineArguments(options, inBandPort, networkFirst),
      `${options.folder}/machine.log`,
    )
    machine.started = new MachineProcess(child, servers)
    return machine.started
  }

  /** Types on the serial console; what comes before the machine listens is lost, as on a line. */
  type(bytes: Buffer): void {
    this.#serial?.write(bytes)
  }

  /** The reset button. */
  reset(): void {
    this.#command('system_reset')
  }

  /** The power button, pressed shortly. */
  pressPower(): void {
    this.#command('system_powerdown')
  }

  /** Cuts the power. */
  cut(): void {
    this.#reason = CUT
    this.#child.kill('SIGKILL')
  }

  #command(execute: string): void {
    this.#monitor?.write(`${JSON.stringify({ execute })}\n`)
  }

  #watch(socket: Socket): void {
    this.#monitor = socket
    this.#command('qmp_capabilities')
    const lines = createInterface({ input: socket }).on('error', () => {})
    lines.on('line', (line) => {
      const reason = shutdownReason(line)
      if (reason !== undefined && this.#reason === '') this.#reason = reason
    })
  }
}

async function listen(path: string, connected: (socket: Socket) => void): Promise<Server> {
  await rm(path, { force: true })
  const server = createServer((socket) => connected(socket.on('error', () => {}))).listen(path)
  await once(server, 'listening')
  return server
}

function endOf(reason: string, exitCode: unknown): MachineEnd {
  if (RESTARTS.includes(reason)) return 'restart'
  if (reason === CUT) return 'cut'
  return reason === '' && exitCode !== 0 ? 'failed' : 'off'
}

/** The reason of QEMU's SHUTDOWN event (qapi/run-state.json); undefined for other lines. */
function shutdownReason(line: string): string | undefined {
  try {
    const { event, data } = JSON.parse(line) as { event?: string; data?: { reason?: string } }
    return event === 'SHUTDOWN' ? (data?.reason ?? 'unknown') : undefined
  } catch {
    return undefined
  }
}
