import type { ChildProcess } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { run } from '@purlin/base'
import type { FilteredNic } from '../../src/policy/desired.ts'
import { ended, type LabMachine, removeTap, startMachine } from './machine.ts'

export const NFT = '/usr/sbin/nft'
/** Tables that the tests make; the next file finds the kernel without them. */
const OWN_TABLES = ['inet purlin', 'bridge purlin', 'inet count', 'ip docker']

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
  const taps = new Set<string>()
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
      const machine = await startOnPath(nic, letter, children)
      machines.set(letter, machine)
      taps.add(nic.tap)
      return machine
    },
    stop: async () => {
      for (const child of children) child.kill('SIGKILL')
      await Promise.all([...children].map(ended))
      for (const tap of taps) await removeTap(tap)
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

/** A machine on a path of its own: tap, bridge, cable, switch. */
async function startOnPath(
  nic: FilteredNic,
  letter: string,
  children: Set<ChildProcess>,
): Promise<LabMachine> {
  const [bridge, outer] = [`pbr-${letter}`, `pout-${letter}`]
  await makeBridge(bridge)
  for (const file of ['nf_call_iptables', 'nf_call_ip6tables']) {
    await writeFile(`/sys/class/net/${bridge}/bridge/${file}`, '1')
  }
  await host('ip', 'link', 'add', nic.inner, 'type', 'veth', 'peer', 'name', outer)
  await host('ip', 'link', 'set', nic.inner, 'master', bridge, 'up')
  await host('ip', 'link', 'set', outer, 'master', 'sw0', 'up')
  return await startMachine(nic, children, async (peer) => {
    await host('ip', 'link', 'add', nic.tap, 'type', 'veth', ...peer)
    await host('ip', 'link', 'set', nic.tap, 'master', bridge, 'up')
  })
}
