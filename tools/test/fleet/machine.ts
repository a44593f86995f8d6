import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type RunOutcome, run } from '@purlin/base'
import { devicesOf, type PortSpec } from '@purlin/schema'
import type { FleetHost } from './host.ts'
import { ip } from './open-vswitch.ts'

const TALKER = fileURLToPath(new URL('./talker.ts', import.meta.url))
const TIMEOUT_MS = 20_000

/** A machine's stand-in on a rig: a network namespace whose `eth0` is the other end of its tap. It
 *  moves with all that it has: its tap goes from one host to the other. */
export class FleetMachine {
  readonly name: string
  readonly port: PortSpec
  host: FleetHost

  private constructor(name: string, port: PortSpec, host: FleetHost) {
    this.name = name
    this.port = port
    this.host = host
  }

  /** Makes the machine beside its port, not yet in it. */
  static async make(name: string, port: PortSpec, host: FleetHost): Promise<FleetMachine> {
    const machine = new FleetMachine(name, port, host)
    await ip('netns', 'add', name)
    await machine.run('sysctl', ['-e', '-q', '-w', 'net.ipv6.conf.default.disable_ipv6=1'])
    const peer = ['peer', 'name', 'eth0', 'address', port.mac, 'netns', name]
    await ip('-n', host.name, 'link', 'add', machine.tap, 'type', 'veth', ...peer)
    await machine.run('ethtool', ['-K', 'eth0', 'tx', 'off'])
    for (const address of port.ipv4) {
      await ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    }
    for (const device of ['lo', 'eth0']) await ip('-n', name, 'link', 'set', device, 'up')
    return machine
  }

  get tap(): string {
    return devicesOf(this.port.deviceKey).tap
  }

  get address(): string {
    return this.port.ipv4[0] ?? ''
  }

  /** Plugs it into its port on the host where it is. */
  async plug(): Promise<void> {
    const { bridge } = devicesOf(this.port.deviceKey)
    await ip('-n', this.host.name, 'link', 'set', this.tap, 'master', bridge, 'up')
  }

  /** Leaves its host; it is nowhere until it arrives. */
  async leave(): Promise<void> {
    await ip('-n', this.host.name, 'link', 'set', this.tap, 'netns', '1')
  }

  /** Comes to a host, where its port stands. */
  async arrive(host: FleetHost): Promise<void> {
    this.host = host
    await ip('link', 'set', this.tap, 'netns', host.name)
    await this.plug()
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
