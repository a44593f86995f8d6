import { type ChildProcess, spawn } from 'node:child_process'
import { readlink } from 'node:fs/promises'
import { type RunOutcome, run } from '@purlin/base'
import type { PortDevices } from '@purlin/schema'

const COMMAND_DEADLINE_MS = 30_000
const READY_DEADLINE_MS = 5_000

/** A machine's stand-in: a network namespace whose eth0 is the other end of a port's tap. */
export class Namespace {
  readonly #holder: ChildProcess

  private constructor(holder: ChildProcess) {
    this.#holder = holder
  }

  static async make(): Promise<Namespace> {
    const words = ['--net', '--', 'sleep', 'infinity']
    const made = new Namespace(spawn('unshare', words, { stdio: 'ignore' }))
    const ours = await readlink('/proc/self/ns/net')
    const endMs = performance.now() + READY_DEADLINE_MS
    while ((await readlink(made.#path).catch(() => ours)) === ours) {
      if (performance.now() > endMs) throw new Error('no network namespace was made')
    }
    return made
  }

  /** Joins it to a port, with an address of a network of 256. */
  async plug(
    { tap, bridge }: PortDevices,
    mac: string,
    address: string,
    path: 'filterable' | 'direct',
  ): Promise<void> {
    const ip = (...args: string[]) => run('ip', args, { timeoutMs: COMMAND_DEADLINE_MS })
    const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', String(this.#holder.pid)]
    await ip('link', 'add', tap, 'type', 'veth', ...peer)
    await run('ethtool', ['-K', tap, 'tx', 'off'], { timeoutMs: COMMAND_DEADLINE_MS })
    await this.run('ethtool', ['-K', 'eth0', 'tx', 'off'])
    await this.run('ip', ['address', 'add', `${address}/24`, 'dev', 'eth0'])
    await this.run('ip', ['link', 'set', 'eth0', 'up'])
    await ip('link', 'set', tap, ...(path === 'direct' ? [] : ['master', bridge]), 'up')
  }

  async run(program: string, args: readonly string[]): Promise<RunOutcome> {
    const words = [`--net=${this.#path}`, '--', program, ...args]
    return await run('nsenter', words, { timeoutMs: COMMAND_DEADLINE_MS })
  }

  end(): void {
    this.#holder.kill('SIGKILL')
  }

  get #path(): string {
    return `/proc/${this.#holder.pid}/ns/net`
  }
}
