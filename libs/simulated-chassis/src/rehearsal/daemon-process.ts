import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PurlinError, systemClock } from '@purlin/base'
import { endProcess, spawnTied } from '../tied-process.ts'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000
const POLL_MS = 50

export interface DaemonOptions {
  /** Folder of its state, its socket and its log; made when it is not there. A path that others may
   *  enter, since dnsmasq gives its rights up. */
  readonly folder: string
  /** Program and arguments that run the daemon; `serve --config FILE` is added. */
  readonly command: readonly [program: string, ...args: string[]]
  /** Kernel and initrd of the discovery system. */
  readonly discoveryFolder: string
  /** Packages of the monitoring agent. */
  readonly packagesFolder?: string
  /** As in its configuration file, `firstContactSeconds = 60`. */
  readonly deadlines?: Readonly<Record<string, number>>
  /** Who serves BIOS machines first. */
  readonly biosLoader?: 'ipxe' | 'pxelinux'
  readonly pollSeconds?: number
}

/** A private daemon for bare metal, in the network namespace of this process and with its own
 *  state. It ends with this process. */
export class DaemonProcess {
  readonly options: DaemonOptions
  readonly socketPath: string
  readonly #configuration: string
  #child: ChildProcess | undefined

  private constructor(options: DaemonOptions) {
    this.options = options
    this.socketPath = join(options.folder, 'api.sock')
    this.#configuration = join(options.folder, 'baremetal-pxe.toml')
  }

  /** Starts the daemon and waits until it answers. Errors: PUR_CHASSIS_NOT_UP with the end of its
   *  log. */
  static async start(options: DaemonOptions): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(options)
    await mkdir(options.folder, { recursive: true })
    await chmod(options.folder, 0o755)
    await writeFile(daemon.#configuration, configurationOf(options))
    await daemon.startAgain()
    return daemon
  }

  get processId(): number | undefined {
    return this.#child?.pid
  }

  get logFile(): string {
    return join(this.options.folder, 'daemon.log')
  }

  /** Starts it over the state it has. Errors: PUR_CHASSIS_NOT_UP. */
  async startAgain(): Promise<void> {
    const [program, ...args] = this.options.command
    await rm(this.socketPath, { force: true })
    const words = [...args, 'serve', '--config', this.#configuration]
    const child = spawnTied(program, words, this.logFile)
    this.#child = child
    const untilMs = systemClock.monotonicMs() + START_TIMEOUT_MS
    while (!(await answers(this.socketPath))) {
      const ended = child.exitCode !== null || child.pid === undefined
      if (ended || systemClock.monotonicMs() > untilMs) {
        const said = (await readFile(this.logFile, 'utf8').catch(() => '')).trim().slice(-800)
        throw new PurlinError('PUR_CHASSIS_NOT_UP', {
          message: `the private daemon ${ended ? 'ended' : 'does not answer'}: ${said}`,
        })
      }
      await systemClock.sleep(POLL_MS)
    }
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    if (this.#child !== undefined) await endProcess(this.#child)
  }

  /** Asks it to end; what does not within 30 s is killed. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) })
    child.kill('SIGTERM')
    await ended.catch(() => endProcess(child))
  }
}

function configurationOf(options: DaemonOptions): string {
  const { folder, discoveryFolder, packagesFolder, deadlines = {} } = options
  const text = (value: string): string => JSON.stringify(value)
  const named = Object.entries(deadlines).map(([name, seconds]) => `${name} = ${seconds}`)
  return [
    `state.folder = ${text(join(folder, 'state'))}`,
    `run.folder = ${text(join(folder, 'run'))}`,
    `api.socket = ${text(join(folder, 'api.sock'))}`,
    `discovery.folder = ${text(discoveryFolder)}`,
    // The serial console is the one that the simulated BMC hears.
    `discovery.consoles = ["ttyS0,115200"]`,
    ...(packagesFolder === undefined ? [] : [`monitoring.packages = ${text(packagesFolder)}`]),
    `boot.biosLoader = ${text(options.biosLoader ?? 'ipxe')}`,
    `power.pollSeconds = ${options.pollSeconds ?? 5}`,
    // The simulated BMC is not one of those that two commands a second kill.
    'bmc.leastGapMs = 50',
    '[deadlines]',
    ...named,
    '',
  ].join('\n')
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
