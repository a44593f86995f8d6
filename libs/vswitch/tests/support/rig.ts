import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import { devicesOf } from '@purlin/schema'
import type { VswitchDesired } from '../../src/index.ts'
import { datapath } from './datapath.ts'
import { writeDesired } from './desired-text.ts'
import { type RigMachine, startMachine } from './rig-machine.ts'
import { type Enter, type Keep, type Place, startPlace } from './rig-place.ts'

const AGENT = fileURLToPath(new URL('./rig-agent.ts', import.meta.url))

/** A host of the rig: a place with a driver in it, and NICs `up0`, `up1`, … to the physical
 *  switch. */
export interface RigHost extends Place {
  /** Rounds until nothing is left to do; answers what was done. */
  settle(desired: VswitchDesired): Promise<readonly string[]>
  plan(desired: VswitchDesired): Promise<readonly string[]>
  /** An order of the agent's own, with its argument as JSON. */
  order<Answer>(name: string, argument?: unknown): Promise<Answer>
  /** Lets the driver's own notifications, and nothing else, drive it. */
  watch(desired: VswitchDesired): Promise<void>
  /** Ends that; answers what was done meanwhile. */
  unwatch(): Promise<readonly string[]>
  /** Ends the driver as a crash does and starts another. */
  crash(): Promise<void>
  /** Makes a machine on the tap of the key. */
  machine(key: string, mac: string, addresses: readonly string[]): Promise<RigMachine>
}

export interface Rig {
  readonly hosts: readonly RigHost[]
  /** The switch between the hosts: a bridge `phys` with the ports `HOST-up0`, …, trunks of all
   *  VLANs. */
  readonly physical: Place
  /** A machine that tags frames itself: `eth0` on the key's tap is a port of its own bridge `br0`,
   *  with a device of each VLAN, `vlanN`, that has the address. */
  tagging(host: RigHost, key: string, addresses: Readonly<Record<number, string>>): Promise<Place>
  stop(): Promise<void>
}

/** Starts hosts that are joined by a physical switch, each with so many NICs. Everything ends with
 *  `stop`. */
export async function startRig(names: readonly string[], nics: number): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-rig-'))
  await run('chmod', ['755', folder], { timeoutMs: 5_000 })
  const children = new Set<ChildProcess>()
  const keep: Keep = (child) => {
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const physical = (await startPlace(folder, 'phys', keep)).place
  await physical.vsctl('add-br', 'phys', '--', 'set', 'bridge', 'phys', `datapath_type=${datapath}`)
  const hosts: RigHost[] = []
  for (const name of names) {
    const { place, enter, holder } = await startPlace(folder, name, keep)
    for (let nic = 0; nic < nics; nic++) {
      const outside = `${name}-up${nic}`
      const peer = ['peer', 'name', `up${nic}`, 'netns', String(holder)]
      await physical.command('ip', 'link', 'add', outside, 'type', 'veth', ...peer)
      await physical.command('ethtool', '-K', outside, 'tx', 'off')
      await place.command('ethtool', '-K', `up${nic}`, 'tx', 'off')
      await physical.command('ip', 'link', 'set', outside, 'mtu', '1700', 'up')
      await place.command('ip', 'link', 'set', `up${nic}`, 'mtu', '1700', 'up')
      await physical.vsctl('add-port', 'phys', outside)
    }
    hosts.push(rigHost(place, enter, keep))
  }
  return {
    hosts,
    physical,
    tagging: async (host, key, addresses) => {
      const { place, holder } = await startPlace(folder, `vm-${key}`, keep)
      const { tap, bridge } = devicesOf(key)
      const peer = ['peer', 'name', 'eth0', 'netns', String(holder)]
      await host.command('ip', 'link', 'add', tap, 'type', 'veth', ...peer)
      await host.command('ethtool', '-K', tap, 'tx', 'off')
      await host.command('ip', 'link', 'set', tap, 'master', bridge, 'up')
      await place.command('ip', 'link', 'set', 'eth0', 'up')
      const own = ['--', 'set', 'bridge', 'br0', `datapath_type=${datapath}`]
      await place.vsctl('add-br', 'br0', ...own, '--', 'add-port', 'br0', 'eth0')
      for (const [vlan, address] of Object.entries(addresses)) {
        const device = `vlan${vlan}`
        const made = ['--', 'set', 'interface', device, 'type=internal']
        await place.vsctl('add-port', 'br0', device, `tag=${vlan}`, ...made)
        await place.command('ip', 'address', 'add', address, 'dev', device)
        await place.command('ip', 'link', 'set', device, 'up')
      }
      return place
    },
    stop: async () => {
      await Promise.all([...children].map(ended))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function rigHost(place: Place, enter: Enter, keep: Keep): RigHost {
  const settings = [place.databaseSocket, join(place.folder, 'run')]
  const words = ['--conditions=purlin-source', AGENT, ...settings]
  const [first, rest] = enter(process.execPath, words)
  const waiting: ((line: string) => void)[] = []
  const start = (): ChildProcess => {
    const child = keep(spawn(first, [...rest], { stdio: ['pipe', 'pipe', 'inherit'] }))
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(line))
    }
    child.once('exit', () => {
      for (const answer of waiting.splice(0)) answer('{"error":"the agent of the host ended"}')
    })
    return child
  }
  let agent = start()
  const send = async <Answer>(line: string): Promise<Answer> => {
    const text = await new Promise<string>((resolve) => {
      waiting.push(resolve)
      agent.stdin?.write(`${line}\n`)
    })
    const answer: { result?: Answer; error?: string } = JSON.parse(text)
    if (answer.error !== undefined) throw new Error(`${place.name}: ${answer.error}`)
    return answer.result as Answer
  }
  return {
    ...place,
    settle: (desired) => send(`settle ${writeDesired(desired)}`),
    plan: (desired) => send(`plan ${writeDesired(desired)}`),
    order: (name, argument) => send(`${name} ${JSON.stringify(argument ?? null)}`),
    watch: (desired) => send(`watch ${writeDesired(desired)}`),
    unwatch: () => send('unwatch'),
    crash: async () => {
      await ended(agent)
      agent = start()
    },
    machine: (key, mac, addresses) => startMachine(place, keep, key, mac, addresses),
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exit
}
