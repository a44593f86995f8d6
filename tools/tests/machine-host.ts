import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Client, createClient, type TaskHandle } from '@purlin/sdk'
import { repository } from '../repository.ts'
import { agentConfiguration, agentSocket } from '../sandbox/agent.ts'
import { PrivateHost } from '../sandbox/host.ts'
import { startLibvirtd } from '../sandbox/libvirtd.ts'
import { startSwitch } from '../sandbox/switch.ts'
import { eventually } from './volume-host.ts'

const NODE = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
const TASK_LIMIT_MS = 120_000

/** A host with libvirt and an agent. Without a switch, machines on it have no NICs. */
export interface MachineHost extends AsyncDisposable {
  readonly host: PrivateHost
  readonly client: Client
  /** Runs a script in the guest; answers what it printed. */
  guest(machine: string, script: string): Promise<string>
  /** Resolves when the guest's agent answers. */
  answers(machine: string): Promise<void>
  /** kill -9 of the agent, and another one in its place. */
  killAgent(): Promise<void>
}

/** Starts the host; nothing is on it yet. */
export async function startMachineHost({ hasSwitch = false } = {}): Promise<MachineHost> {
  const host = await PrivateHost.start({ name: 'machines' })
  await Promise.all([startLibvirtd(host), ...(hasSwitch ? [startSwitch(host)] : [])])
  const configuration = join(host.paths.agent, 'host-agent.toml')
  const toml = agentConfiguration(host, { drift: 'repair' }).replace('"auto"', '"tcg"')
  await writeFile(configuration, toml, { mode: 0o600 })
  const main = join(repository, 'apps/host-agent/src/main.ts')
  const client = createClient({ socketPath: agentSocket(host) })
  const startAgent = async (): Promise<ChildProcess> => {
    const started = host.spawn(
      [process.execPath, ...NODE, main, '--config', configuration],
      'agent',
    )
    await eventually('the agent answers', async () => {
      return (await client.health({ deadlineMs: 1_000 })).status !== undefined
    })
    return started
  }
  let agent = await startAgent()
  const guest: MachineHost['guest'] = async (machine, script) => {
    const command = ['/bin/busybox', 'sh', '-c', script]
    const { exitCode, stdout, stderr } = await client.virtualMachines.exec(machine, command)
    if (exitCode !== 0) throw new Error(`${script}: ${exitCode}: ${stdout}${stderr}`)
    return stdout.trim()
  }
  return {
    host,
    client,
    guest,
    answers: (machine) =>
      eventually('the guest answers', async () => (await guest(machine, 'echo up')) === 'up'),
    killAgent: async () => {
      const ended = once(agent, 'exit')
      await host.run('pkill', ['--signal', 'KILL', '--full', 'apps/host-agent/src/main.ts'])
      await ended
      agent = await startAgent()
    },
    [Symbol.asyncDispose]: async () => {
      await client.close()
      await host.end()
    },
  }
}

/** The end of a task. Throws where it failed. */
export async function done(asked: Promise<TaskHandle>): Promise<void> {
  const { state, problem } = await (await asked).wait({ deadlineMs: TASK_LIMIT_MS })
  if (state !== 'succeeded') throw new Error(`${state}: ${problem?.code} ${problem?.detail}`)
}

/** A machine of the probe image, without disks and NICs. */
export function machineDocument(name: string, spec: object = {}): object {
  return {
    kind: 'VirtualMachine',
    name,
    spec: { cpus: 1, memoryMiB: 128, image: 'probe', ...spec },
  }
}
