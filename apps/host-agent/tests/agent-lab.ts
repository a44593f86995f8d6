import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, type LabHost, type LabMachine, startLabHost } from './lab-host.ts'
import { removeFolder, startAgent, type TestAgent } from './start-agent.ts'
import { clearHost } from './switch-lab.ts'

/** An agent with Open vSwitch and without libvirt: ports stand, and machines are stand-ins. */
export interface AgentLab {
  readonly agent: TestAgent
  readonly host: LabHost
  /** A machine's stand-in with its first address, once the agent has made its port. */
  machine(name: string, gateway?: string): Promise<LabMachine>
  end(): Promise<void>
}

/** Starts the lab on the present private host, with an image named `probe`. */
export async function startAgentLab(): Promise<AgentLab> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-'))
  const host = await startLabHost(folder)
  const image = join(folder, 'images/probe')
  await mkdir(image, { recursive: true })
  const files = { kernel: 'kernel', initrd: 'initrd' }
  for (const file of Object.values(files)) await writeFile(join(image, file), '')
  await writeFile(join(image, 'image.json'), JSON.stringify({ ...files, cmdline: '' }))
  const agent = await startAgent({ folder })
  return {
    agent,
    host,
    machine: async (name, gateway) => {
      await eventually(async () => {
        const { status } = await agent.client.ports.get(`${name}.eth0`)
        return status.conditions.some((one) => one.type === 'Ready' && one.status === 'true')
      })
      const { spec } = await agent.client.ports.get(`${name}.eth0`)
      const started = await host.machine(spec)
      await started.command('ip', 'address', 'add', `${spec.ipv4[0]}/24`, 'dev', 'eth0')
      if (gateway !== undefined) {
        await started.command('ip', 'route', 'add', 'default', 'via', gateway)
      }
      return started
    },
    end: async () => {
      await agent.stop()
      await clearHost(host.socket, join(folder, 'network'))
      await host.end()
      await removeFolder(agent)
    },
  }
}

/** A machine that never runs. */
export function idleMachine(name: string, nic: object): object {
  const nics = [{ name: 'eth0', ...nic }]
  return {
    kind: 'VirtualMachine',
    name,
    spec: { cpus: 1, memoryMiB: 128, image: 'probe', powerState: 'stopped', nics },
  }
}
