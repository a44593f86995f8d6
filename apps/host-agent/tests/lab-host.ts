import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { devicesOf, type PortSpec } from '@purlin/schema'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'

/** A machine's stand-in: a namespace whose eth0 is the other end of its tap. */
export interface LabMachine {
  /** Runs a program in it and answers what it printed. */
  command(program: string, ...args: readonly string[]): Promise<string>
  /** Starts a program in it that prints a line when it is ready. */
  start(program: string, ...args: readonly string[]): Promise<ChildProcess>
}

/** What of Open vSwitch and machines runs on the present private host. */
export interface LabHost {
  /** Where the database listens. */
  readonly socket: string
  machine(port: Pick<PortSpec, 'deviceKey' | 'mac'>): Promise<LabMachine>
  /** Ends every process that was started, and takes the machines' taps away. */
  end(): Promise<void>
}

/** Starts Open vSwitch in a folder, its database at `db.sock`, on the userspace datapath. */
export async function startLabHost(folder: string): Promise<LabHost> {
  const children = new Set<ChildProcess>()
  const taps = new Set<string>()
  const start = (program: string, args: readonly string[]): ChildProcess => {
    const env = { ...process.env, OVS_RUNDIR: folder }
    const child = spawn(program, [...args], { stdio: 'ignore', env })
    children.add(child)
    return child
  }
  const socket = join(folder, 'db.sock')
  const database = join(folder, 'conf.db')
  await run('ovsdb-tool', ['create', database, SCHEMA], { timeoutMs: 10_000 })
  const control = (name: string): string => `--unixctl=${join(folder, name)}.ctl`
  start('ovsdb-server', [database, `--remote=punix:${socket}`, control('ovsdb'), '-vconsole:off'])
  await eventually(() => existsSync(socket))
  const init = [`--db=unix:${socket}`, '--no-wait', 'init']
  await run('ovs-vsctl', init, { timeoutMs: 10_000 })
  start('ovs-vswitchd', [`unix:${socket}`, control('vswitchd'), '-vconsole:off'])
  return {
    socket,
    machine: async ({ deviceKey, mac }) => {
      const holder = start('unshare', ['--net', '--', 'sleep', 'infinity'])
      const namespace = `/proc/${holder.pid}/ns/net`
      const ours = await readlink('/proc/self/ns/net')
      await eventually(async () => (await readlink(namespace).catch(() => ours)) !== ours)
      const within = (program: string, args: readonly string[]): readonly string[] => [
        `--net=${namespace}`,
        '--',
        program,
        ...args,
      ]
      const options = { timeoutMs: 60_000, acceptedExitCodes: [1, 2] }
      const command: LabMachine['command'] = async (program, ...args) =>
        (await run('nsenter', within(program, args), options)).stdout
      const conf = 'net.ipv6.conf.default'
      const settings = [`${conf}.disable_ipv6=0`, `${conf}.accept_dad=0`, `${conf}.accept_ra=1`]
      await command('sysctl', '-e', '-q', '-w', ...settings, `${conf}.router_solicitations=1`)
      const { tap, bridge } = devicesOf(deviceKey)
      const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', String(holder.pid)]
      const link = async (...words: readonly string[]): Promise<void> => {
        await run('ip', ['link', ...words], { timeoutMs: 10_000 })
      }
      await link('add', tap, 'type', 'veth', ...peer)
      taps.add(tap)
      await command('ethtool', '-K', 'eth0', 'tx', 'off')
      await command('ip', 'link', 'set', 'lo', 'up')
      await command('ip', 'link', 'set', 'eth0', 'up')
      await link('set', tap, 'master', bridge, 'up')
      return {
        command,
        start: async (program, ...args) => {
          const child = spawn('nsenter', [...within(program, args)], {
            stdio: ['ignore', 'pipe', 'inherit'],
          })
          children.add(child)
          await new Promise((resolve) => child.stdout.once('data', resolve))
          return child
        },
      }
    },
    end: async () => {
      // A namespace's end takes its links away later; the next suite must not meet them.
      for (const tap of taps) {
        const options = { timeoutMs: 10_000, acceptedExitCodes: [1] }
        await run('ip', ['link', 'delete', tap], options)
      }
      for (const child of children) child.kill('SIGKILL')
    },
  }
}

/** Waits until something holds; a call that fails counts as not yet. */
export async function eventually(
  met: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!(await Promise.resolve(met()).catch(() => false))) {
    if (performance.now() > endMs) throw new Error(`not met within ${limitMs} ms`)
    await systemClock.sleep(10)
  }
}
