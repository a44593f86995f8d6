import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import { emulationOf } from '@purlin/simulated-chassis'
import { type Bmc, createCommandPool, openBmc } from '../../src/index.ts'

const PORT = 9001
export const PASSWORD = 'kX9-not-in-listings'
const START_TIMEOUT_MS = 30_000

/** A real ipmi_sim whose chassis is a folder of files; this process speaks for its console. */
export class SimulatedChassis {
  readonly folder: string
  readonly #simulator: ChildProcess
  readonly #consoles: Server
  readonly #sockets: readonly Socket[]
  readonly #opened: Bmc[] = []

  private constructor(
    folder: string,
    simulator: ChildProcess,
    consoles: Server,
    sockets: readonly Socket[],
  ) {
    this.folder = folder
    this.#simulator = simulator
    this.#consoles = consoles
    this.#sockets = sockets
  }

  static async start(): Promise<SimulatedChassis> {
    const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
    for (const name of ['state', 'bmc', 'secrets']) await mkdir(join(folder, name), { mode: 0o700 })
    // The simulator connects when it starts, and again when it has lost the connection.
    const sockets: Socket[] = []
    const consoles = createServer((socket) => {
      sockets.push(socket.on('error', () => {}))
    }).listen(0, '127.0.0.1')
    await once(consoles, 'listening')
    const { port } = consoles.address() as AddressInfo
    await writeFile(join(folder, 'lan.conf'), lanConfiguration(folder, port))
    await writeFile(join(folder, 'bmc.emu'), emulationOf('ch0'))
    const files = ['-c', join(folder, 'lan.conf'), '-f', join(folder, 'bmc.emu')]
    const simulator = spawn('ipmi_sim', [...files, '-s', join(folder, 'bmc'), '-n'], {
      stdio: 'ignore',
    })
    await untilTrue('ipmi_sim listens', async () => {
      const sockets = await readFile('/proc/net/udp', 'utf8')
      return sockets.includes(`:${PORT.toString(16).toUpperCase().padStart(4, '0')} `)
    })
    return new SimulatedChassis(folder, simulator, consoles, sockets)
  }

  /** A BMC at the simulator; `change` as an operator may have got it wrong. */
  open(
    change: { readonly password?: string; readonly port?: number; readonly tries?: number } = {},
  ): Bmc {
    const bmc = openBmc({
      pool: createCommandPool(),
      target: {
        ...{ protocol: 'ipmi', name: 'ch0', address: '127.0.0.1', port: PORT },
        ...{ username: 'admin', password: PASSWORD, ...change },
        ...{ folder: join(this.folder, 'secrets'), leastGapMs: 50 },
      },
    })
    this.#opened.push(bmc)
    return bmc
  }

  /** What the chassis was asked to set, in its order. */
  async asked(): Promise<readonly string[]> {
    const calls = await readFile(join(this.folder, 'state/calls'), 'utf8').catch(() => '')
    return calls.split('\n').filter((line) => line.startsWith('set '))
  }

  async file(name: string, text = ''): Promise<void> {
    await writeFile(join(this.folder, 'state', name), text)
  }

  async without(name: string): Promise<void> {
    await rm(join(this.folder, 'state', name))
  }

  /** Stops or continues the BMC's process: it takes packets and answers none. */
  hang(hanging: boolean): void {
    this.#simulator.kill(hanging ? 'SIGSTOP' : 'SIGCONT')
  }

  /** Prints on the machine's serial console. */
  async print(text: string): Promise<void> {
    const open = (): Socket | undefined => this.#sockets.findLast((socket) => socket.writable)
    await untilTrue('the serial line', async () => open() !== undefined)
    open()?.write(text)
  }

  /** Closes every BMC that was opened here. */
  async close(): Promise<void> {
    for (const bmc of this.#opened) await bmc.close()
  }

  async end(): Promise<void> {
    this.#simulator.kill('SIGKILL')
    if (this.#simulator.exitCode === null) await once(this.#simulator, 'exit')
    for (const socket of this.#sockets) socket.destroy()
    this.#consoles.close()
    await rm(this.folder, { recursive: true })
  }
}

/** Waits for a condition, however slow the machine is; what never comes about is an error. */
export async function untilTrue(what: string, holds: () => Promise<boolean>): Promise<void> {
  const untilMs = systemClock.monotonicMs() + START_TIMEOUT_MS
  while (!(await holds())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`${what}: not so in time`)
    await systemClock.sleep(20)
  }
}

function lanConfiguration(folder: string, consolePort: number): string {
  const control = join(import.meta.dirname, 'chassis-control.sh')
  const methods = ['callback none', 'user none', 'operator none', 'admin none']
  return `name "ch0"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 ${PORT}
    priv_limit admin
${methods.map((method) => `    allowed_auths_${method} md2 md5 straight`).join('\n')}
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "${control} ${join(folder, 'state')} 0x20"
  sol "tcp:127.0.0.1:${consolePort}" 115200 history=16000
  user 1 false "" "" user 10 none md2 md5 straight
  user 2 true "admin" "${PASSWORD}" admin 10 none md2 md5 straight
`
}
