import { type ChildProcess, spawn } from 'node:child_process'
import { readlink, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import type { FilteredNic } from '../../src/index.ts'

const PROGRAM = fileURLToPath(new URL('./machine-program.ts', import.meta.url))
export const NFT = '/usr/sbin/nft'
/** Tables that the tests make; the next file finds the kernel without them. */
const OWN_TABLES = ['inet purlin', 'bridge purlin', 'inet count', 'ip docker']

/** A machine's stand-in: a namespace whose eth0 is the other end of the NIC's tap. */
export interface LabMachine {
  /** Runs a program in the machine. */
  command(program: string, ...args: string[]): Promise<string>
  /** Starts a program in the machine; the lab ends it. */
  start(program: string, ...args: string[]): ChildProcess
  tcp(address: string, port: number): Promise<boolean>
  udp(address: string, port: number, from?: { port?: number; address?: string }): Promise<boolean>
  /** Whether the ICMP error of a closed port comes back. */
  refusal(address: string, port: number): Promise<boolean>
  hold(address: string, port: number): Promise<boolean>
  flood(address: string, ports: readonly number[]): Promise<void>
  stopFlood(): Promise<void>
}

export interface Lab {
  readonly machines: ReadonlyMap<string, LabMachine>
  machine(letter: string): LabMachine
  /** Adds a machine on a path of its own: tap, bridge, cable, switch. */
  add(nic: FilteredNic): Promise<LabMachine>
  stop(): Promise<void>
}

/** Runs a host's program and gives its output. */
export async function host(program: string, ...args: string[]): Promise<string> {
  return (await run(program, args, { timeoutMs: 20_000 })).stdout
}

/** Loads nft text, as somebody else would. */
export async function nft(text: string): Promise<void> {
  await run(NFT, ['-f', '-'], { input: `${text}\n`, timeoutMs: 20_000 })
}

/** Packets that a rule of this comment has counted, over all chains of the table. */
export async function packetsOf(table: string, comment: string): Promise<number> {
  const listing = await host(NFT, 'list', 'table', ...table.split(' '))
  return listing
    .split('\n')
    .filter((line) => line.includes(`comment "${comment}`))
    .map((line) => Number(/packets (\d+)/.exec(line)?.[1] ?? 0))
    .reduce((sum, packets) => sum + packets, 0)
}

/** Starts a switch (a bridge of its own) in the present namespace. */
export async function startLab(nics: readonly FilteredNic[]): Promise<Lab> {
  const children = new Set<ChildProcess>()
  const machines = new Map<string, LabMachine>()
  await host('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1')
  for (const family of ['iptables', 'ip6tables', 'arptables']) {
    await host('sysctl', '-qw', `net.bridge.bridge-nf-call-${family}=0`)
  }
  await makeBridge('sw0')
  const lab: Lab = {
    machines,
    machine: (letter) => {
      const found = machines.get(letter)
      if (found === undefined) throw new Error(`no machine ${letter}`)
      return found
    },
    add: async (nic) => {
      const letter = nic.port.slice(0, 1)
      const machine = await startMachine(nic, letter, children)
      machines.set(letter, machine)
      return machine
    },
    stop: async () => {
      for (const child of children) child.kill('SIGKILL')
      await Promise.all([...children].map(ended))
      for (const letter of machines.keys()) {
        await host('ip', 'link', 'del', `pout-${letter}`)
        await host('ip', 'link', 'del', `pbr-${letter}`)
      }
      await host('ip', 'link', 'del', 'sw0')
      for (const table of OWN_TABLES) await nft(`add table ${table}\ndelete table ${table}`)
    },
  }
  for (const nic of nics) await lab.add(nic)
  return lab
}

async function makeBridge(name: string): Promise<void> {
  const quiet = 'stp_state 0 forward_delay 0 mcast_snooping 0'.split(' ')
  await host('ip', 'link', 'add', name, 'type', 'bridge', ...quiet)
  await host('ip', 'link', 'set', name, 'up')
}

async function startMachine(
  nic: FilteredNic,
  letter: string,
  children: Set<ChildProcess>,
): Promise<LabMachine> {
  const holder = spawn('unshare', ['--net', '--', 'sleep', 'infinity'], { stdio: 'ignore' })
  children.add(holder)
  const namespace = `/proc/${holder.pid}/ns/net`
  const own = await readlink('/proc/self/ns/net')
  while ((await readlink(namespace)) === own) await sleep(5)
  const inside = (program: string, args: readonly string[]): string[] => [
    `--net=${namespace}`,
    '--',
    program,
    ...args,
  ]
  const command = async (program: string, ...args: string[]): Promise<string> =>
    (await run('nsenter', inside(program, args), { timeoutMs: 20_000, acceptedExitCodes: [1, 2] }))
      .stdout
  const [bridge, outer] = [`pbr-${letter}`, `pout-${letter}`]
  await makeBridge(bridge)
  for (const file of ['nf_call_iptables', 'nf_call_ip6tables']) {
    await writeFile(`/sys/class/net/${bridge}/bridge/${file}`, '1')
  }
  await host('ip', 'link', 'add', nic.inner, 'type', 'veth', 'peer', 'name', outer)
  await host('ip', 'link', 'set', nic.inner, 'master', bridge, 'up')
  await host('ip', 'link', 'set', outer, 'master', 'sw0', 'up')
  await command('sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0')
  const peer = ['peer', 'name', 'eth0', 'address', nic.mac, 'netns', String(holder.pid)]
  await host('ip', 'link', 'add', nic.tap, 'type', 'veth', ...peer)
  await host('ip', 'link', 'set', nic.tap, 'master', bridge, 'up')
  await command('ip', 'link', 'set', 'lo', 'up')
  await command('ip', 'link', 'set', 'eth0', 'up')
  for (const address of nic.ipv4) await command('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0')
  for (const address of nic.ipv6) {
    await command('ip', '-6', 'addr', 'add', `${address}/64`, 'dev', 'eth0', 'nodad')
  }
  const program = spawn('nsenter', inside(process.execPath, [PROGRAM]), {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.add(program)
  const waiting = new Map<number, (reached: boolean) => void>()
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: program.stdout }).on('line', (line) => {
      const answer: { id?: number; reached?: boolean } = JSON.parse(line)
      if (answer.id === undefined) resolve()
      else waiting.get(answer.id)?.(answer.reached === true)
    })
  })
  await ready
  let last = 0
  const ask = (request: object): Promise<boolean> =>
    new Promise((resolve) => {
      const id = ++last
      waiting.set(id, resolve)
      program.stdin.write(`${JSON.stringify({ id, ...request })}\n`)
    })
  return {
    command,
    start: (name, ...args) => {
      const child = spawn('nsenter', inside(name, args), { stdio: 'ignore' })
      children.add(child)
      return child
    },
    tcp: (address, port) => ask({ kind: 'tcp', address, port }),
    udp: (address, port, from = {}) =>
      ask({ kind: 'udp', address, port, sourcePort: from.port, sourceAddress: from.address }),
    refusal: (address, port) => ask({ kind: 'refusal', address, port }),
    hold: (address, port) => ask({ kind: 'hold', address, port }),
    flood: async (address, ports) => {
      await ask({ kind: 'flood', address, port: 0, ports })
    },
    stopFlood: async () => {
      await ask({ kind: 'stop', address: '', port: 0 })
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise((resolve) => child.once('exit', resolve))
}
