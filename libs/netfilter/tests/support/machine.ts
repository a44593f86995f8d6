import { type ChildProcess, spawn } from 'node:child_process'
import { readlink } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import type { FilteredNic } from '../../src/policy/desired.ts'

const PROGRAM = fileURLToPath(new URL('./machine-program.ts', import.meta.url))

/** A machine's stand-in: a namespace whose eth0 is the other end of the NIC's tap. */
export interface LabMachine {
  /** Path of its network namespace. */
  readonly namespace: string
  /** Runs a program in the machine. */
  command(program: string, ...args: string[]): Promise<string>
  /** Starts a program in the machine; the lab ends it. */
  start(program: string, ...args: string[]): ChildProcess
  tcp(address: string, port: number): Promise<boolean>
  udp(address: string, port: number, from?: { port?: number; address?: string }): Promise<boolean>
  /** Whether the ICMP error of a closed port comes back. */
  refusal(address: string, port: number): Promise<boolean>
  hold(address: string, port: number): Promise<boolean>
  /** Begins a flow that goes on, by a name: TCP to port 8080, where the server speaks, or UDP to an
   *  echo port. Whether anything was heard. */
  begin(flow: string, kind: 'tcp' | 'udp', address: string, port: number): Promise<boolean>
  /** How many words have been heard on a long flow so far. */
  heard(flow: string): Promise<number>
  flood(address: string, ports: readonly number[]): Promise<void>
  stopFlood(): Promise<void>
}

interface Answer {
  readonly id?: number
  readonly reached?: boolean
  readonly count?: number
}

/** Starts a machine. `plug` makes the veth whose other end is described by the words it is given.
 *  */
export async function startMachine(
  nic: Pick<FilteredNic, 'mac' | 'ipv4' | 'ipv6'>,
  children: Set<ChildProcess>,
  plug: (peer: readonly string[]) => Promise<void>,
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
  await command('sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0')
  const peer = ['peer', 'name', 'eth0', 'address', nic.mac, 'netns', String(holder.pid)]
  await plug(peer)
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
  const waiting = new Map<number, (answer: Answer) => void>()
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: program.stdout }).on('line', (line) => {
      const answer: Answer = JSON.parse(line)
      if (answer.id === undefined) resolve()
      else waiting.get(answer.id)?.(answer)
    })
  })
  await ready
  let last = 0
  const answerTo = (request: object): Promise<Answer> =>
    new Promise((resolve) => {
      const id = ++last
      waiting.set(id, resolve)
      program.stdin.write(`${JSON.stringify({ id, ...request })}\n`)
    })
  const ask = async (request: object): Promise<boolean> =>
    (await answerTo(request)).reached === true
  return {
    namespace,
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
    begin: (flow, kind, address, port) =>
      ask({ kind: 'begin', flow, stream: kind === 'tcp', address, port }),
    heard: async (flow) =>
      (await answerTo({ kind: 'heard', flow, address: '', port: 0 })).count ?? 0,
    flood: async (address, ports) => {
      await ask({ kind: 'flood', address, port: 0, ports })
    },
    stopFlood: async () => {
      await ask({ kind: 'stop', address: '', port: 0 })
    },
  }
}

/** Waits until a process has ended. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise((resolve) => child.once('exit', resolve))
}

/** Removes the tap of a machine that has ended, so that the next one may have its name. It goes
 *  with the machine's namespace too, but only when the kernel gets to it: `ip` ends with 1 where it
 *  finds no such device, and with 2 where the device goes meanwhile. */
export async function removeTap(tap: string): Promise<void> {
  await run('ip', ['link', 'del', tap], { timeoutMs: 20_000, acceptedExitCodes: [1, 2] })
}
