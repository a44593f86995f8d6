import { type ChildProcess, spawn } from 'node:child_process'
import { readlink } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import type { VswitchDesired } from '../../src/index.ts'
import { answerOf, askingCommand } from './asking.ts'
import { ip, until } from './host.ts'
import { addressesOf, type Placed } from './routed.ts'
import { keyOf, macOf } from './scenario.ts'

const WORKER = fileURLToPath(new URL('./routed-worker.ts', import.meta.url))
const PEER = fileURLToPath(new URL('./peer.ts', import.meta.url))

/** Another host: a network namespace with its own Open vSwitch and driver, and an uplink `up0`. */
export interface FleetHost {
  /** Process that keeps its network namespace. */
  readonly processId: number
  call(name: string, ...args: readonly unknown[]): Promise<unknown>
  end(): Promise<void>
}

/** The bridge that stands for the physical switch between hosts. */
export const WIRE = 'wire0'
export type HostName = 'one' | 'two'

/** Two hosts on one physical switch, and machines with addresses, routes and a server each. */
export interface RoutedFleet {
  readonly hosts: Readonly<Record<HostName, FleetHost>>
  hostOf(machine: Placed): FleetHost
  /** Runs a program in a machine and answers what it printed. */
  enter(machine: Placed, ...words: readonly string[]): Promise<string>
  /** What the other end of a connection saw, or null: `FROM PORT TO PORT`. */
  ask(from: Placed, address: string, port: number): Promise<readonly string[] | null>
  stop(): Promise<void>
}

/** Starts them with what each host should be, and with `ready` done before any machine comes. */
export async function startRoutedFleet(
  placed: readonly Placed[],
  desiredOf: (host: HostName) => VswitchDesired,
  ready: () => Promise<void> = async () => {},
): Promise<RoutedFleet> {
  await ip('link', 'add', WIRE, 'type', 'bridge')
  await ip('link', 'set', WIRE, 'up')
  await ready()
  const [one, two] = await Promise.all([startFleetHost('one'), startFleetHost('two')])
  const hosts = { one, two }
  const namespaces = new Map<number, string>()
  const servers: ChildProcess[] = []
  const hostOf = ({ host }: Placed): FleetHost => hosts[host === 'two' ? 'two' : 'one']
  const enter: RoutedFleet['enter'] = async ({ number }, ...words) => {
    const options = { timeoutMs: 30_000, acceptedExitCodes: [1, 2] }
    const entered = [`--net=${namespaces.get(number)}`, '--', ...words]
    return (await run('nsenter', entered, options)).stdout
  }
  const reconcile = async (): Promise<void> => {
    await Promise.all([
      one.call('reconcile', desiredOf('one')),
      two.call('reconcile', desiredOf('two')),
    ])
  }
  await reconcile()
  for (const machine of placed) {
    const { number, portGroup } = machine
    const own = desiredOf(machine.host === 'two' ? 'two' : 'one').ports
    const isDirect = own.find(({ mac }) => mac === macOf(number))?.path === 'direct'
    const words = [keyOf(number), macOf(number), isDirect]
    const namespace = await hostOf(machine).call('machine', ...words)
    namespaces.set(number, String(namespace))
    const [four, six] = addressesOf(machine)
    const net = portGroup === 'web' ? 1 : 2
    await enter(machine, 'ip', 'address', 'add', `${four}/24`, 'dev', 'eth0')
    await enter(machine, 'ip', 'address', 'add', `${six}/64`, 'dev', 'eth0', 'nodad')
    await enter(machine, 'ip', 'link', 'set', 'lo', 'up')
    if (portGroup !== 'public') {
      await enter(machine, 'ip', 'route', 'add', 'default', 'via', `10.${net}.0.1`)
      await enter(machine, 'ip', '-6', 'route', 'add', 'default', 'via', `fd0${net}::1`)
    }
    const serve = [`--net=${namespace}`, '--', process.execPath, PEER, 'serve', '80']
    const child = spawn('nsenter', serve, { stdio: ['ignore', 'pipe', 'inherit'] })
    servers.push(child)
    await new Promise((resolve) => child.stdout.once('data', resolve))
  }
  // A direct port is open when its tap is there.
  await reconcile()
  return {
    hosts,
    hostOf,
    enter,
    ask: async (from, address, port) => {
      return answerOf(await enter(from, ...askingCommand(address, port)))
    },
    stop: async () => {
      for (const server of servers) server.kill('SIGKILL')
      await Promise.all([one.end(), two.end()])
      // The tests of the next file run on the same machine.
      await ip('link', 'delete', WIRE)
    },
  }
}

/** Starts a host and joins it to the physical switch. */
async function startFleetHost(name: string): Promise<FleetHost> {
  const holder = spawn('unshare', ['--net', '--', 'sleep', 'infinity'], { stdio: 'ignore' })
  const processId = holder.pid ?? 0
  const namespace = `/proc/${processId}/ns/net`
  const ours = await readlink('/proc/self/ns/net')
  await until(async () => (await readlink(namespace).catch(() => ours)) !== ours)
  const port = `wire-${name}`
  const peer = ['peer', 'name', 'up0', 'netns', String(processId)]
  await ip('link', 'add', port, 'type', 'veth', ...peer)
  await ip('link', 'set', port, 'master', WIRE, 'up')
  const words = [`--net=${namespace}`, '--', process.execPath, '--conditions=purlin-source', WORKER]
  const worker = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const ready = Promise.withResolvers<unknown>()
  waiting.set(0, ready)
  createInterface({ input: worker.stdout }).on('line', (line) => {
    const { id, value, error } = JSON.parse(line)
    const one = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) one?.resolve(value)
    else one?.reject(new Error(`${name}: ${error}`))
  })
  let last = 0
  await ready.promise
  const call: FleetHost['call'] = async (called, ...args) => {
    const id = ++last
    const answer = Promise.withResolvers<unknown>()
    waiting.set(id, answer)
    worker.stdin.write(`${JSON.stringify({ id, call: called, args }, numbersAsText)}\n`)
    return await answer.promise
  }
  return {
    processId,
    call,
    end: async () => {
      await call('stop').catch(() => {})
      worker.kill('SIGKILL')
      holder.kill('SIGKILL')
      // The namespace takes its end of the cable away later; the next file must not meet ours.
      await ip('link', 'delete', port).catch(() => '')
    },
  }
}

/** Numbers of flows are larger than JSON's. */
function numbersAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `bigint ${value}` : value
}
