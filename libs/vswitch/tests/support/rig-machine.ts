import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { type RunOutcome, run } from '@purlin/base'
import { devicesOf, type PortDevices } from '@purlin/schema'
import { reachesFrom } from './reach.ts'
import { type Keep, type Place, startNamespace } from './rig-place.ts'

const COMMAND_DEADLINE_MS = 30_000

/** A machine's stand-in: a namespace whose eth0 is the other end of a port's tap. */
export interface RigMachine {
  readonly mac: string
  readonly devices: PortDevices
  command(program: string, ...args: string[]): Promise<RunOutcome>
  start(program: string, ...args: string[]): ChildProcess
  reaches(address: string, patienceMs?: number): Promise<boolean>
  /** Puts the tap into its port's bridge; a direct port needs no more than to be up. */
  plug(path?: 'filterable' | 'direct'): Promise<void>
  /** Bytes of whole frames that its NIC has received and sent. */
  counted(): Promise<{ readonly received: number; readonly sent: number }>
}

/** Makes a machine on the tap of the key. */
export async function startMachine(
  place: Place,
  keep: Keep,
  key: string,
  mac: string,
  addresses: readonly string[],
): Promise<RigMachine> {
  const { holder, enter } = await startNamespace(keep)
  const devices = devicesOf(key)
  const command: RigMachine['command'] = async (program, ...args) => {
    const [first, rest] = enter(program, args)
    return await run(first, rest, { timeoutMs: COMMAND_DEADLINE_MS, acceptedExitCodes: [1, 2] })
  }
  await command('sysctl', '-e', '-q', '-w', 'net.ipv6.conf.default.disable_ipv6=1')
  const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', String(holder)]
  await place.command('ip', 'link', 'add', devices.tap, 'type', 'veth', ...peer)
  await place.command('ethtool', '-K', devices.tap, 'tx', 'off')
  await command('ethtool', '-K', 'eth0', 'tx', 'off')
  await command('ip', 'link', 'set', 'eth0', 'up')
  for (const address of addresses) await command('ip', 'address', 'add', address, 'dev', 'eth0')
  return {
    mac,
    devices,
    command,
    start: (program, ...args) => {
      const [first, rest] = enter(program, args)
      return keep(spawn(first, [...rest], { stdio: ['ignore', 'pipe', 'inherit'] }))
    },
    reaches: (address, patienceMs) => reachesFrom({ command }, address, patienceMs),
    plug: async (path = 'filterable') => {
      const into = path === 'direct' ? [] : ['master', devices.bridge]
      await place.command('ip', 'link', 'set', devices.tap, ...into, 'up')
    },
    counted: async () => {
      const text = await readFile(`/proc/${holder}/net/dev`, 'utf8')
      const fields = /eth0:\s*(.*)/.exec(text)?.[1]?.trim().split(/\s+/).map(Number) ?? []
      return { received: fields[0] ?? 0, sent: fields[8] ?? 0 }
    },
  }
}
