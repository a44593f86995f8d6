import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import type { FleetHost } from './host.ts'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
const TIMEOUT_MS = 15_000
const PHYSICAL = 'phys'

/** Open vSwitch for each host of a rig, where its agent looks for it, and a NIC `up0` in each that
 *  leads to a fake physical switch in the private host, which carries the VLANs that it is told. */
export class Fabric {
  readonly #folder: string
  readonly #children: ChildProcess[] = []
  readonly #ends: string[] = []

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async start(folder: string, hosts: readonly FleetHost[]): Promise<Fabric> {
    const fabric = new Fabric(join(folder, PHYSICAL))
    try {
      await fabric.#startAll(hosts)
      return fabric
    } catch (thrown) {
      await fabric.stop()
      throw thrown
    }
  }

  async #startAll(hosts: readonly FleetHost[]): Promise<void> {
    await this.#start(this.#folder, (command) => command)
    const own = ['--', 'set', 'bridge', PHYSICAL, 'datapath_type=netdev']
    await this.#set('add-br', PHYSICAL, ...own)
    for (const host of hosts) {
      await this.#start(host.folder, (command) => host.enter(command))
      await this.#cable(host)
    }
  }

  /** The VLANs that go to a host; 0 stands for untagged frames. */
  async carry(host: FleetHost, vlans: readonly number[]): Promise<void> {
    await this.#set('set', 'port', endOf(host), `trunks=${vlans.join(',')}`)
  }

  /** Ends all of it and takes the cables away: a host's namespace would do so some time later. */
  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const end of this.#ends) {
      const options = { timeoutMs: TIMEOUT_MS, acceptedExitCodes: [1, 2] }
      await run('ip', ['link', 'delete', end], options)
    }
  }

  async #cable(host: FleetHost): Promise<void> {
    const end = endOf(host)
    this.#ends.push(end)
    await ip('link', 'add', end, 'type', 'veth', 'peer', 'name', 'up0', 'netns', host.name)
    await run('ethtool', ['-K', end, 'tx', 'off'], { timeoutMs: TIMEOUT_MS })
    await host.run('ethtool', ['-K', 'up0', 'tx', 'off'])
    await ip('link', 'set', end, 'mtu', '1700', 'up')
    await ip('-n', host.name, 'link', 'set', 'up0', 'mtu', '1700', 'up')
    await this.#set('add-port', PHYSICAL, end)
  }

  async #set(...words: readonly string[]): Promise<void> {
    const database = `--db=unix:${join(this.#folder, 'db.sock')}`
    await run('ovs-vsctl', [database, ...words], { timeoutMs: TIMEOUT_MS })
  }

  async #start(
    folder: string,
    enter: (command: readonly string[]) => readonly string[],
  ): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o711 })
    const [database, socket] = [join(folder, 'conf.db'), join(folder, 'db.sock')]
    await run('ovsdb-tool', ['create', database, SCHEMA], { timeoutMs: TIMEOUT_MS })
    const control = (name: string): string => `--unixctl=${join(folder, name)}.ctl`
    const spawnIn = (command: readonly string[]): void => {
      const env = { ...process.env, OVS_RUNDIR: folder }
      const words = ['--pdeathsig', 'KILL', ...enter(command)]
      this.#children.push(spawn('setpriv', words, { stdio: 'ignore', env }))
    }
    const remote = `--remote=punix:${socket}`
    spawnIn(['ovsdb-server', database, remote, control('ovsdb'), '-vconsole:off'])
    const limitMs = systemClock.monotonicMs() + TIMEOUT_MS
    while (!existsSync(socket) && systemClock.monotonicMs() < limitMs) await systemClock.sleep(10)
    const init = [`--db=unix:${socket}`, '--no-wait', 'init']
    await run('ovs-vsctl', init, { timeoutMs: TIMEOUT_MS })
    spawnIn(['ovs-vswitchd', `unix:${socket}`, control('vswitchd'), '-vconsole:off'])
  }
}

function endOf({ name }: FleetHost): string {
  return name.replace('host', 'phys')
}

/** Runs `ip` in the private host. */
export async function ip(...args: readonly string[]): Promise<void> {
  await run('ip', args, { timeoutMs: TIMEOUT_MS })
}
