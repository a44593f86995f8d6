import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import { type Client, createClient } from '@purlin/sdk'

/** A real agent as a process of its own, with a folder of its own. */
export interface TestAgent {
  readonly folder: string
  readonly socket: string
  readonly tcpPort: number
  readonly client: Client
  readonly process: ChildProcess
  /** Arguments of Node that run another of its verbs with its configuration. */
  command(verb: string): string[]
  /** What it wrote so far. */
  output(): string
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface TestAgentOptions {
  /** Reuse the folder of an agent that ended. */
  readonly folder?: string
  /** Another name than `agent.sock`, beside an agent that runs in the same folder. */
  readonly socketName?: string
  /** Absent: a free one. */
  readonly tcpPort?: number
  /** TOML added to the configuration. */
  readonly configuration?: string
}

const MAIN = new URL('../src/main.ts', import.meta.url).pathname
const START_LIMIT_MS = 20_000

/** Starts an agent and waits until it answers on its socket. */
export async function startAgent(options: TestAgentOptions = {}): Promise<TestAgent> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'agent-')))
  const socket = join(folder, options.socketName ?? 'agent.sock')
  const tcpPort = options.tcpPort ?? (await freePort())
  const file = join(folder, 'host-agent.toml')
  await writeFile(
    file,
    [
      '[host]\nname = "test"',
      `[state]\nfolder = "${folder}/state"`,
      `[api]\nsocket = "${socket}"\ntcpPort = ${tcpPort}`,
      `[images]\nfolder = "${folder}/images"`,
      `[openvswitch]\ndatabaseSocket = "${folder}/db.sock"\ndatapath = "netdev"`,
      `[libvirt]\nuri = "qemu+unix:///system?socket=${folder}/libvirt-sock"`,
      `[machines]\nlogFolder = "${folder}/machines"\naccelerator = "tcg"`,
      `[network]\nrunFolder = "${folder}/network"`,
      options.configuration ?? '',
    ].join('\n'),
  )
  const command = (verb: string): string[] => [
    ...process.execArgv.filter((each) => each.startsWith('--conditions')),
    MAIN,
    verb,
    '--config',
    file,
  ]
  const agent = spawn(process.execPath, command('serve'), { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  agent.stdout.on('data', (chunk) => (output += chunk))
  agent.stderr.on('data', (chunk) => (output += chunk))
  const ended = new Promise<number | null>((resolve) => agent.once('exit', resolve))
  const client = createClient({ socketPath: socket })
  const started: TestAgent = {
    folder,
    socket,
    tcpPort,
    client,
    process: agent,
    command,
    output: () => output,
    stop: async (signal = 'SIGTERM') => {
      await client.close()
      agent.kill(signal)
      return await ended
    },
  }
  const limit = Date.now() + START_LIMIT_MS
  for (;;) {
    if (agent.exitCode !== null)
      throw new Error(`the agent ended with ${agent.exitCode}: ${output}`)
    const answer = await client.health({ deadlineMs: 1000 }).catch(() => undefined)
    if (answer !== undefined) return started
    await systemClock.sleep(20)
    if (Date.now() > limit) throw new Error(`the agent did not answer: ${output}`)
  }
}

/** Removes an agent's folder. */
export async function removeFolder(agent: TestAgent): Promise<void> {
  await rm(agent.folder, { recursive: true, force: true })
}

async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}
