import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type RunOutcome, run } from '@purlin/base'
import { devicesOf, type PortDevices } from '@purlin/schema'
import { namesOf } from '../../src/links/link.ts'
import { datapath } from './datapath.ts'
import { reachesFrom } from './reach.ts'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
const GONE_OR_NOT = { timeoutMs: 10_000, acceptedExitCodes: [1, 2] }
const CLIENT = fileURLToPath(new URL('./client.ts', import.meta.url))

/** A machine's stand-in: a namespace whose eth0 is the other end of a port's tap. */
export interface Machine {
  readonly mac: string
  readonly devices: PortDevices
  /** Path of its network namespace. */
  readonly namespace: string
  command(program: string, ...args: string[]): Promise<RunOutcome>
  /** Runs the test's DHCP and DNS client in it. */
  client(...args: string[]): Promise<unknown>
  reaches(address: string): Promise<boolean>
  /** Drops its addresses, as before its first lease; a broadcast still finds the device. */
  forget(): Promise<void>
}

export interface TestHost {
  readonly folder: string
  readonly databaseSocket: string
  readonly runFolder: string
  vsctl(...args: string[]): Promise<string>
  killDatabase(): Promise<void>
  startDatabase(): Promise<void>
  /** Makes a machine on the tap of the key; it has no address until it is given one. */
  machine(key: string, mac: string): Promise<Machine>
  plug(machine: Machine): Promise<void>
  stop(): Promise<void>
}

/** Starts a database and a switch daemon of our own in a temporary folder. They and the machines
 *  end with `stop`. */
export async function startHost(): Promise<TestHost> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-vswitch-'))
  const children = new Set<ChildProcess>()
  const environment = { OVS_RUNDIR: folder }
  const databaseSocket = join(folder, 'db.sock')
  await mkdir(join(folder, 'run'))
  await run('chmod', ['755', folder], { timeoutMs: 5_000 })
  const start = (program: string, args: readonly string[]): ChildProcess => {
    const child = spawn(program, [...args], {
      stdio: 'ignore',
      env: { ...process.env, ...environment },
    })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const vsctl = async (...args: string[]): Promise<string> => {
    const options = { timeoutMs: 15_000, environment }
    return (await run('ovs-vsctl', [`--db=unix:${databaseSocket}`, ...args], options)).stdout.trim()
  }
  let database: ChildProcess | undefined
  const startDatabase = async (): Promise<void> => {
    await rm(databaseSocket, { force: true })
    database = start('ovsdb-server', [
      join(folder, 'conf.db'),
      `--remote=punix:${databaseSocket}`,
      `--unixctl=${join(folder, 'ovsdb.ctl')}`,
      `--log-file=${join(folder, 'ovsdb.log')}`,
      '-vconsole:off',
    ])
    await until(() => existsSync(databaseSocket))
  }
  await run('ovsdb-tool', ['create', join(folder, 'conf.db'), SCHEMA], { timeoutMs: 10_000 })
  await startDatabase()
  await vsctl('--no-wait', 'init')
  start('ovs-vswitchd', [
    `unix:${databaseSocket}`,
    `--unixctl=${join(folder, 'vswitchd.ctl')}`,
    `--log-file=${join(folder, 'vswitchd.log')}`,
    '-vconsole:off',
  ])

  return {
    folder,
    databaseSocket,
    runFolder: join(folder, 'run'),
    vsctl,
    startDatabase,
    killDatabase: async () => await ended(database, 'SIGKILL'),
    machine: async (key, mac) => {
      const holder = start('unshare', ['--net', '--', 'sleep', 'infinity'])
      const namespace = `/proc/${holder.pid}/ns/net`
      await until(async () => (await link(namespace)) !== (await link('/proc/self/ns/net')))
      const command = async (program: string, ...args: string[]): Promise<RunOutcome> =>
        await run('nsenter', [`--net=${namespace}`, '--', program, ...args], {
          timeoutMs: 30_000,
          acceptedExitCodes: [1, 2],
        })
      await command(
        'sysctl',
        '-e',
        '-q',
        '-w',
        'net.ipv4.conf.all.rp_filter=0',
        'net.ipv4.conf.default.rp_filter=0',
        'net.ipv6.conf.default.disable_ipv6=0',
        'net.ipv6.conf.default.accept_dad=0',
        'net.ipv6.conf.default.accept_ra=1',
        'net.ipv6.conf.default.router_solicitation_interval=1',
        'net.ipv6.conf.default.router_solicitation_max_interval=1',
      )
      const devices = devicesOf(key)
      const machine: Machine = {
        mac,
        devices,
        namespace,
        command,
        client: async (...args) =>
          JSON.parse((await command(process.execPath, CLIENT, ...args)).stdout),
        forget: async () => {
          await command('ip', 'address', 'flush', 'dev', 'eth0', 'scope', 'global')
          await command('ip', 'route', 'replace', '255.255.255.255/32', 'dev', 'eth0')
        },
        reaches: (address) => reachesFrom(machine, address),
      }
      const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', String(holder.pid)]
      await ip('link', 'add', devices.tap, 'type', 'veth', ...peer)
      await command('ethtool', '-K', 'eth0', 'tx', 'off')
      await command('ip', 'link', 'set', 'eth0', 'up')
      await machine.forget()
      return machine
    },
    plug: async ({ devices }) => {
      await ip('link', 'set', devices.tap, 'master', devices.bridge, 'up')
    },
    stop: async () => {
      // A namespace's end takes its links away later; the next suite must not meet them. Nor what a
      // driver made that was cut short.
      for (const name of await leftLinks()) await ip('link', 'delete', name).catch(() => '')
      await Promise.all([...children].map((child) => ended(child, 'SIGKILL')))
      if (datapath === 'system') await run('ovs-dpctl', ['del-dp', 'ovs-system'], GONE_OR_NOT)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Names of links of this host that only taps, ports and services have. */
async function leftLinks(): Promise<readonly string[]> {
  const names = namesOf(await readFile('/proc/self/net/dev', 'utf8'))
  return [...names].filter((name) => /^(?:ptap|pbr|pin|pout|pgs|prx)-/.test(name))
}

/** Runs `ip` in this host. */
export async function ip(...args: string[]): Promise<string> {
  return (await run('ip', args, { timeoutMs: 10_000 })).stdout
}

/** Waits until `met`, at most `limitMs`. */
export async function until(
  met: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<number> {
  const startMs = performance.now()
  while (!(await met())) {
    if (performance.now() - startMs > limitMs) throw new Error(`not met within ${limitMs} ms`)
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
  return performance.now() - startMs
}

async function link(path: string): Promise<string> {
  return (await run('readlink', [path], { timeoutMs: 5_000, acceptedExitCodes: [1] })).stdout
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await exit
}
