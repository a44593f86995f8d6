import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type RunOutcome, run } from '@purlin/base'
import { devicesOf, type PortSpec } from '@purlin/schema'
import type { FleetHost } from './host.ts'
import { ip } from './open-vswitch.ts'

const TALKER = fileURLToPath(new URL('./talker.ts', import.meta.url))
const TIMEOUT_MS = 20_000

/** A NIC of a machine: its port, and how that reaches the switch. */
export interface FleetNic {
  readonly port: PortSpec
  readonly path: 'filterable' | 'direct'
}

/** A machine's stand-in on a rig: a network namespace whose `eth0` (and `eth1` ...) is the other
 *  end of its tap. It moves with all that it has: its taps go from one host to the other. */
export class FleetMachine {
  readonly name: string
  readonly nics: readonly FleetNic[]
  host: FleetHost

  private constructor(name: string, nics: readonly FleetNic[], host: FleetHost) {
    this.name = name
    this.nics = nics
    this.host = host
  }

  /** Makes the machine beside its ports, not yet in them. */
  static async make(
    name: string,
    port: PortSpec,
    host: FleetHost,
    further: readonly FleetNic[] = [],
  ): Promise<FleetMachine> {
    const nics: readonly FleetNic[] = [{ port, path: 'filterable' }, ...further]
    const machine = new FleetMachine(name, nics, host)
    await ip('netns', 'add', name)
    const six = nics.some((nic) => nic.port.ipv6.length > 0) ? 0 : 1
    const conf = 'net.ipv6.conf.default'
    const settings = [`${conf}.disable_ipv6=${six}`, `${conf}.accept_dad=0`]
    await machine.run('sysctl', ['-e', '-q', '-w', ...settings])
    await ip('-n', name, 'link', 'set', 'lo', 'up')
    for (const [index, nic] of nics.entries()) await machine.#makeNic(`eth${index}`, nic.port)
    return machine
  }

  async #makeNic(device: string, { deviceKey, mac, ipv4, ipv6 }: PortSpec): Promise<void> {
    const peer = ['peer', 'name', device, 'address', mac, 'netns', this.name]
    const { tap } = devicesOf(deviceKey)
    await ip('-n', this.host.name, 'link', 'add', tap, 'type', 'veth', ...peer)
    await this.run('ethtool', ['-K', device, 'tx', 'off'])
    for (const address of [...ipv4.map((one) => `${one}/24`), ...ipv6.map((one) => `${one}/64`)]) {
      await ip('-n', this.name, 'address', 'add', address, 'dev', device)
    }
    await ip('-n', this.name, 'link', 'set', device, 'up')
  }

  /** The port of its first NIC. */
  get port(): PortSpec {
    const [first] = this.nics
    if (first === undefined) throw new RangeError(`${this.name} has no NIC`)
    return first.port
  }

  get address(): string {
    return this.port.ipv4[0] ?? ''
  }

  /** Plugs it into its ports on the host where it is; a direct one takes what is up. */
  async plug(): Promise<void> {
    for (const { port, path } of this.nics) {
      const { tap, bridge } = devicesOf(port.deviceKey)
      const into = path === 'direct' ? [] : ['master', bridge]
      await ip('-n', this.host.name, 'link', 'set', tap, ...into, 'up')
    }
  }

  /** Leaves its host; it is nowhere until it arrives. */
  async leave(): Promise<void> {
    for (const { port } of this.nics) {
      const { tap } = devicesOf(port.deviceKey)
      await ip('-n', this.host.name, 'link', 'set', tap, 'netns', '1')
    }
  }

  /** Comes to a host, where its ports stand. */
  async arrive(host: FleetHost): Promise<void> {
    this.host = host
    for (const { port } of this.nics) {
      await ip('link', 'set', devicesOf(port.deviceKey).tap, 'netns', host.name)
    }
    await this.plug()
  }

  /** Takes its taps and its namespace away, wherever they are: the namespace would take the taps
   *  along some time later. */
  async end(): Promise<void> {
    const options = { timeoutMs: TIMEOUT_MS, acceptedExitCodes: [1, 2] }
    for (const { port } of this.nics) {
      const words = ['link', 'delete', devicesOf(port.deviceKey).tap]
      await run('ip', ['-n', this.host.name, ...words], options)
      await run('ip', words, options)
    }
    await run('ip', ['netns', 'del', this.name], options)
  }

  async run(program: string, args: readonly string[]): Promise<RunOutcome> {
    const words = ['netns', 'exec', this.name, program, ...args]
    return await run('ip', words, { timeoutMs: TIMEOUT_MS, acceptedExitCodes: [1, 2] })
  }

  /** Starts the talker in it; it prints lines. */
  talk(...words: readonly string[]): ChildProcess {
    const command = ['ip', 'netns', 'exec', this.name, process.execPath, TALKER, ...words]
    return spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }
}
