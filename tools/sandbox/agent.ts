import type { ChildProcess } from 'node:child_process'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, repository } from '../repository.ts'
import { imagesFolder } from '../setup/set-up.ts'
import type { PrivateHost } from './host.ts'
import { libvirtUri } from './libvirtd.ts'
import { switchSocket } from './switch.ts'

export interface AgentOptions {
  /** What the agent does about differences it did not make. */
  readonly drift: 'repair' | 'report'
}

/** The socket of the host's agent. */
export function agentSocket(host: PrivateHost): string {
  return join(host.paths.agent, 'agent.sock')
}

/** The agent's configuration for a private host. Strings of JSON are strings of TOML too. */
export function agentConfiguration(host: PrivateHost, { drift }: AgentOptions): string {
  const text = (value: string): string => JSON.stringify(value)
  const _folder = host.paths.agent
  return `[host]
name = "sandbox"
[state]
folder = ${text(stateFolder(host))}
[api]
socket = ${text(agentSocket(host))}
tcpPort = 0
[images]
folder = ${text(imagesFolder)}
[openvswitch]
databaseSocket = ${text(switchSocket(host))}
datapath = "netdev"
[libvirt]
uri = ${text(libvirtUri(host))}
[machines]
logFolder = ${text(host.paths.log)}
accelerator = "auto"
[reconcile]
drift = ${text(drift)}
[network]
runFolder = ${text(host.paths.network)}
`
}

/** Starts the agent inside the host, from source. It waits for the switch and for libvirtd by
 *  itself. */
export async function startAgent(host: PrivateHost, options: AgentOptions): Promise<ChildProcess> {
  const file = join(host.paths.agent, 'host-agent.toml')
  await writeFile(file, agentConfiguration(host, options), { mode: 0o600 })
  await mkdir(stateFolder(host), { recursive: true, mode: 0o700 })
  await copyFile(keptVerdict, verdictFile(host)).catch(() => undefined)
  const main = join(repository, 'apps/host-agent/src/main.ts')
  const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
  return host.spawn([process.execPath, ...flags, main, '--config', file], 'agent', {
    OVS_RUNDIR: host.paths.switch,
  })
}

/** What the agent found out about KVM, by a boot of some seconds; it is good until the machine
 *  boots again, so the clone keeps it for the next sandbox. The agent itself checks whether it
 *  still holds. */
export async function keepVerdict(host: PrivateHost): Promise<void> {
  await copyFile(verdictFile(host), keptVerdict).catch(() => undefined)
}

const keptVerdict = join(cacheFolder, 'accelerator.json')

function stateFolder(host: PrivateHost): string {
  return join(host.paths.agent, 'state')
}

function verdictFile(host: PrivateHost): string {
  return join(stateFolder(host), 'accelerator.json')
}
