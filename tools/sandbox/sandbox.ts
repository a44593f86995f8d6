import type { ChildProcess } from 'node:child_process'
import { access, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, systemClock } from '@purlin/base'
import { type Client, createClient } from '@purlin/sdk'
import { cacheFolder } from '../repository.ts'
import { onPath } from '../setup/privilege.ts'
import { type AgentOptions, agentSocket, keepVerdict, startAgent } from './agent.ts'
import { PrivateHost } from './host.ts'
import { startLibvirtd } from './libvirtd.ts'
import { removeStateFolder } from './state-folder.ts'
import { startSwitch } from './switch.ts'

const AGENT_TIMEOUT_MS = 30_000
const AGENT_END_TIMEOUT_MS = 5_000
const POLL_MS = 20

/** What the clone keeps about the sandbox that is up, so that other verbs find it. */
export interface RunningSandbox {
  readonly pid: number
  readonly folder: string
  readonly socket: string
}

export interface SandboxOptions extends AgentOptions {
  /** Whether it is the clone's one sandbox, which the other verbs speak to. */
  readonly named: boolean
}

/** Another folder than the clone's lets the tests of `up` run beside a sandbox that is up. */
const noteFolder = process.env.PURLIN_RUN_FOLDER ?? cacheFolder
const noteFile = join(noteFolder, 'up.json')
const lockFile = join(noteFolder, 'up.lock')

/** The sandbox of this clone that is up, or was when its `up` was killed. */
export async function readNote(): Promise<RunningSandbox | undefined> {
  try {
    return JSON.parse(await readFile(noteFile, 'utf8')) as RunningSandbox
  } catch {
    return undefined
  }
}

/** A private host with a switch, libvirt and an agent of its own. */
export class Sandbox implements AsyncDisposable {
  readonly host: PrivateHost
  readonly client: Client
  readonly #options: SandboxOptions
  #agent: ChildProcess

  private constructor(host: PrivateHost, agent: ChildProcess, options: SandboxOptions) {
    this.host = host
    this.#agent = agent
    this.#options = options
    this.client = createClient({ socketPath: agentSocket(host) })
  }

  /** Starts a sandbox and returns when its agent answers. What a killed `up` of this clone left is
   *  removed. Errors: PUR_SANDBOX_BUSY, PUR_HOST_UNFIT, PUR_AGENT_UNREACHABLE with the agent's last
   *  words. */
  static async start(options: SandboxOptions): Promise<Sandbox> {
    await assertPrograms()
    await mkdir(cacheFolder, { recursive: true })
    const host = await startHost(options.named)
    try {
      // All at once: the agent waits by itself for what it needs.
      const daemons = [startSwitch(host), startLibvirtd(host)]
      const sandbox = new Sandbox(host, await startAgent(host, options), options)
      await Promise.all([...daemons, sandbox.#waitForAgent()])
      await Promise.all([giveToCaller(host), keepVerdict(host)])
      return sandbox
    } catch (thrown) {
      await host.end()
      throw thrown
    }
  }

  /** The unix socket of the agent's API. */
  get socket(): string {
    return agentSocket(this.host)
  }

  /** The agent's process, as the machine numbers it. */
  get agentProcess(): ChildProcess {
    return this.#agent
  }

  /** Asks the agent to end and waits for it, for a while. */
  async stopAgent(): Promise<void> {
    const words = ['--signal', 'TERM', '--full', 'apps/host-agent/src/main.ts']
    const options = { timeoutMs: AGENT_END_TIMEOUT_MS, acceptedExitCodes: [1] }
    await this.host.run('pkill', words, options).catch(() => undefined)
    const limit = systemClock.monotonicMs() + AGENT_END_TIMEOUT_MS
    while (isRunning(this.#agent) && systemClock.monotonicMs() < limit) {
      await systemClock.sleep(POLL_MS)
    }
  }

  /** Starts the agent again after it ended, and returns when it answers. */
  async restartAgent(): Promise<void> {
    this.#agent = await startAgent(this.host, this.#options)
    await this.#waitForAgent()
  }

  /** Ends the agent, then the host with all that is in it. Can be called again. */
  async end(): Promise<void> {
    await this.client.close()
    if (this.host.alive) await this.stopAgent()
    await this.host.end()
    if (this.#options.named) await rm(noteFile, { force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async #waitForAgent(): Promise<void> {
    const socket = agentSocket(this.host)
    const limit = systemClock.monotonicMs() + AGENT_TIMEOUT_MS
    for (;;) {
      const answers = await access(socket)
        .then(() => this.client.health({ attempts: 1, deadlineMs: 2_000 }))
        .then(
          () => true,
          () => false,
        )
      if (answers) return
      const ended = !isRunning(this.#agent)
      if (ended || systemClock.monotonicMs() > limit) {
        const log = await readFile(join(this.host.paths.log, 'agent.log'), 'utf8').catch(() => '')
        const what = ended ? 'ended' : `did not answer within ${AGENT_TIMEOUT_MS} ms`
        throw new PurlinError('PUR_AGENT_UNREACHABLE', {
          message: `the sandbox’s agent ${what}; its log ends with: ${log.trim().slice(-600)}`,
        })
      }
      await systemClock.sleep(POLL_MS)
    }
  }
}

async function startHost(named: boolean): Promise<PrivateHost> {
  if (!named) return await PrivateHost.start({ name: 'sandbox' })
  const earlier = await readNote()
  const host = await PrivateHost.start({ name: 'sandbox', lockFile }).catch((thrown: unknown) => {
    const busy = thrown instanceof PurlinError && thrown.code === 'PUR_SANDBOX_BUSY'
    if (!busy || earlier === undefined) throw thrown
    throw new PurlinError('PUR_SANDBOX_BUSY', {
      message: `a sandbox of this clone is already up (process ${earlier.pid}, socket ${earlier.socket}): end that one first, or use another clone`,
      context: { pid: earlier.pid },
    })
  })
  // The lock is ours, so the sandbox of an earlier note is gone: it was killed and could not tidy
  // up.
  if (earlier !== undefined) await removeStateFolder(earlier.folder)
  const note: RunningSandbox = {
    pid: process.pid,
    folder: host.paths.folder,
    socket: agentSocket(host),
  }
  await writeFile(noteFile, `${JSON.stringify(note)}\n`)
  return host
}

/** Under sudo the agent's socket belongs to the person who called. */
async function giveToCaller(host: PrivateHost): Promise<void> {
  const user = Number(process.env.SUDO_UID)
  const group = Number(process.env.SUDO_GID)
  if (!Number.isInteger(user) || !Number.isInteger(group)) return
  for (const path of [host.paths.folder, host.paths.agent, agentSocket(host)]) {
    await chown(path, user, group)
  }
}

const PROGRAMS = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  libvirtd: 'libvirt-daemon',
  'qemu-system-x86_64': 'qemu-system-x86',
  'ovs-vswitchd': 'openvswitch-switch',
  'ovsdb-server': 'openvswitch-common',
  nft: 'nftables',
  dnsmasq: 'dnsmasq-base',
} as const

/** Errors: PUR_HOST_UNFIT naming each program that is not there and the Debian package that carries
 *  it. */
async function assertPrograms(): Promise<void> {
  const absent: string[] = []
  for (const [program, carrier] of Object.entries(PROGRAMS)) {
    if (!(await onPath(program))) absent.push(`${program} (Debian package ${carrier})`)
  }
  if (absent.length === 0) return
  throw new PurlinError('PUR_HOST_UNFIT', {
    message: `this machine lacks ${absent.join(', ')}: run ./purlin setup, or install them`,
  })
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}
