import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, type RunOptions, type RunOutcome, run, systemClock } from '@purlin/base'
import { type Client, createClient } from '@purlin/sdk'
import { repository } from '../../repository.ts'

/** Where a host of the rig stands. */
export interface FleetHostPlace {
  /** `host-a`, `host-b` ...: name of the host and of its network namespace. */
  readonly name: string
  /** A folder of its own, short enough for unix sockets. */
  readonly folder: string
  /** Its address in the network that all hosts share. */
  readonly address: string
}

const START_LIMIT_MS = 90_000
const POLL_MS = 20

/** A host of the rig: a network namespace with folders, an agent and a client of its own. It shares
 *  the file system and the processes of the private host that the rig runs in. */
export class FleetHost {
  readonly name: string
  readonly folder: string
  readonly address: string
  readonly client: Client
  /** TOML that is added to the agent's configuration at its next start. */
  extraConfiguration = ''
  #agent: ChildProcess | undefined

  constructor({ name, folder, address }: FleetHostPlace) {
    this.name = name
    this.folder = folder
    this.address = address
    this.client = createClient({ socketPath: this.socket })
  }

  /** The agent's unix socket. */
  get socket(): string {
    return join(this.folder, 'agent.sock')
  }

  get stateFolder(): string {
    return join(this.folder, 'state')
  }

  /** The socket of an Open vSwitch database that a test may start for this host. */
  get switchSocket(): string {
    return join(this.folder, 'db.sock')
  }

  /** Program and arguments that run `command` in this host's network. */
  enter(command: readonly string[]): readonly [program: string, ...args: string[]] {
    return ['ip', 'netns', 'exec', this.name, ...command]
  }

  /** Runs a program in this host's network to its end. Errors: those of `run`. */
  async run(
    program: string,
    args: readonly string[],
    options: RunOptions = { timeoutMs: 20_000 },
  ): Promise<RunOutcome> {
    const [enter, ...rest] = this.enter([program, ...args])
    return await run(enter, rest, options)
  }

  /** What is in force in this host's kernel, as nft lists it. */
  async rules(): Promise<string> {
    return (await this.run('/usr/sbin/nft', ['list', 'ruleset'])).stdout
  }

  /** Starts the agent and answers when it answers on its socket. */
  async startAgent(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o711 })
    await this.#makeImage()
    const file = join(this.folder, 'host-agent.toml')
    await writeFile(file, `${this.#configuration()}\n${this.extraConfiguration}\n`, { mode: 0o600 })
    const log = openSync(join(this.folder, 'agent.log'), 'a', 0o600)
    const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
    const main = join(repository, 'apps/host-agent/src/main.ts')
    const command = [process.execPath, ...flags, main, 'serve', '--config', file]
    const [program, ...args] = this.enter(command)
    const agent = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#agent = agent
    await this.answers()
  }

  /** Answers when the agent does. Errors: PUR_AGENT_UNREACHABLE with its last words. */
  async answers(): Promise<void> {
    const limit = systemClock.monotonicMs() + START_LIMIT_MS
    for (;;) {
      const answer = await this.client
        .health({ attempts: 1, deadlineMs: 2_000 })
        .catch(() => undefined)
      if (answer !== undefined) return
      const ended = this.#agent?.exitCode !== null || this.#agent.signalCode !== null
      if (ended || systemClock.monotonicMs() > limit) {
        throw new PurlinError('PUR_AGENT_UNREACHABLE', {
          message: `the agent of ${this.name} does not answer: ${(await this.log()).slice(-1_500)}`,
        })
      }
      await systemClock.sleep(POLL_MS)
    }
  }

  /** Waits until the agent knows `count` hosts, itself among them. */
  async knows(count: number): Promise<void> {
    const limit = systemClock.monotonicMs() + START_LIMIT_MS
    for (;;) {
      const { length } = await this.client.hosts.list()
      if (length === count) return
      if (systemClock.monotonicMs() > limit) {
        throw new Error(`${this.name} knows ${length} of ${count} hosts`)
      }
      await systemClock.sleep(POLL_MS)
    }
  }

  /** What the agent has written since the rig began. */
  async log(): Promise<string> {
    return await readFile(join(this.folder, 'agent.log'), 'utf8').catch(() => '')
  }

  /** Sends the agent a signal, such as SIGSTOP to make it hang. */
  signalAgent(signal: NodeJS.Signals): void {
    this.#agent?.kill(signal)
  }

  /** Ends the agent; its rules and devices stay. Answers its exit code, null after a signal. */
  async stopAgent(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const agent = this.#agent
    this.#agent = undefined
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return null
    const ended = once(agent, 'exit')
    agent.kill(signal)
    const [exitCode] = await ended
    return typeof exitCode === 'number' ? exitCode : null
  }

  /** An image by the name that manifests use; its machines never start, since there is no
   *  libvirt. */
  async #makeImage(): Promise<void> {
    const folder = join(this.folder, 'images', 'probe')
    await mkdir(folder, { recursive: true })
    const image = { kernel: 'kernel', initrd: 'initrd', cmdline: '' }
    await writeFile(join(folder, 'image.json'), JSON.stringify(image))
  }

  /** Strings of JSON are strings of TOML too. */
  #configuration(): string {
    const text = (name: string): string => JSON.stringify(join(this.folder, name))
    return `[host]
name = ${JSON.stringify(this.name)}
[state]
folder = ${text('state')}
[api]
socket = ${text('agent.sock')}
tcpPort = 0
[images]
folder = ${text('images')}
[openvswitch]
databaseSocket = ${text('db.sock')}
datapath = "netdev"
[libvirt]
uri = "qemu+unix:///system?socket=${this.folder}/libvirt-sock"
[machines]
logFolder = ${text('machines')}
accelerator = "tcg"
[network]
runFolder = ${text('network')}`
  }
}
