import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type RunOutcome, run } from '@purlin/base'
import { until } from './host.ts'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
const COMMAND_DEADLINE_MS = 30_000

export type Keep = (child: ChildProcess) => ChildProcess
/** The command line that runs a program in a namespace. */
export type Enter = (
  program: string,
  args: readonly string[],
) => readonly [string, readonly string[]]

/** A network namespace with an Open vSwitch of its own. */
export interface Place {
  readonly name: string
  readonly folder: string
  readonly databaseSocket: string
  command(program: string, ...args: string[]): Promise<RunOutcome>
  vsctl(...args: string[]): Promise<string>
  ofctl(verb: string, bridge: string, ...args: string[]): Promise<string>
}

/** Starts a namespace with a database and a switch daemon in it. */
export async function startPlace(
  parent: string,
  name: string,
  keep: Keep,
): Promise<{ readonly place: Place; readonly enter: Enter; readonly holder: number }> {
  const folder = join(parent, name)
  await mkdir(join(folder, 'run'), { recursive: true })
  const { holder, enter } = await startNamespace(keep)
  const environment = { OVS_RUNDIR: folder }
  const databaseSocket = join(folder, 'db.sock')
  const command: Place['command'] = async (program, ...args) => {
    const [first, rest] = enter(program, args)
    const timeoutMs = COMMAND_DEADLINE_MS
    return await run(first, rest, { timeoutMs, environment, acceptedExitCodes: [1, 2] })
  }
  const daemon = (program: string, args: readonly string[]): void => {
    const [first, rest] = enter(program, args)
    const env = { ...process.env, ...environment }
    keep(spawn(first, [...rest], { stdio: 'ignore', env }))
  }
  const noIpv6 = 'net.ipv6.conf.default.disable_ipv6=1'
  await command('sysctl', '-e', '-q', '-w', 'net.ipv4.conf.all.rp_filter=0', noIpv6)
  await command('ip', 'link', 'set', 'lo', 'up')
  await run('ovsdb-tool', ['create', join(folder, 'conf.db'), SCHEMA], { timeoutMs: 10_000 })
  daemon('ovsdb-server', [
    join(folder, 'conf.db'),
    `--remote=punix:${databaseSocket}`,
    `--unixctl=${join(folder, 'ovsdb.ctl')}`,
    '-vconsole:off',
    `--log-file=${join(folder, 'ovsdb.log')}`,
  ])
  await until(() => existsSync(databaseSocket))
  const settings = { timeoutMs: 15_000, environment }
  const vsctl: Place['vsctl'] = async (...args) =>
    (await run('ovs-vsctl', [`--db=unix:${databaseSocket}`, ...args], settings)).stdout.trim()
  await vsctl('--no-wait', 'init')
  daemon('ovs-vswitchd', [
    `unix:${databaseSocket}`,
    `--unixctl=${join(folder, 'vswitchd.ctl')}`,
    '-vconsole:off',
    `--log-file=${join(folder, 'vswitchd.log')}`,
  ])
  const ofctl: Place['ofctl'] = async (verb, bridge, ...args) => {
    const target = `unix:${join(folder, `${bridge}.mgmt`)}`
    const all = ['-O', 'OpenFlow14', verb, target, ...args]
    return (await run('ovs-ofctl', all, settings)).stdout
  }
  return { place: { name, folder, databaseSocket, command, vsctl, ofctl }, enter, holder }
}

/** A network namespace that lives as long as its holder. */
export async function startNamespace(
  keep: Keep,
): Promise<{ readonly holder: number; readonly enter: Enter }> {
  const words = ['--net', '--', 'sleep', 'infinity']
  const holder = keep(spawn('unshare', words, { stdio: 'ignore' })).pid ?? 0
  const path = `/proc/${holder}/ns/net`
  const read = async (of: string): Promise<string> =>
    (await run('readlink', [of], { timeoutMs: 5_000, acceptedExitCodes: [1] })).stdout
  const ours = await read('/proc/self/ns/net')
  await until(async () => ![ours, ''].includes(await read(path)))
  const enter: Enter = (program, args) => ['nsenter', [`--net=${path}`, '--', program, ...args]]
  return { holder, enter }
}
