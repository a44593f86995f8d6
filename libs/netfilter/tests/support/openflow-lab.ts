import type { ChildProcess } from 'node:child_process'
import { compileOpenflow, renderFlows } from '../../src/openflow/index.ts'
import type { NetfilterDesired } from '../../src/policy/desired.ts'
import { sampleNic } from '../../src/testing/sample.ts'
import { host } from './lab.ts'
import { ended, type LabMachine, removeTap, startMachine } from './machine.ts'
import { type Ovs, startOvs } from './ovs.ts'

const BRIDGE = 'plug0'
const NETWORK = 100
/** The machine behind the outside port: no NIC of this host. */
const OUTSIDE = 'e'

/** Machines plugged straight into Open vSwitch, and one behind a port of the outside. */
export interface OpenflowLab {
  readonly ovs: Ovs
  machine(letter: string): LabMachine
  /** Puts the flows of the policy in place of all others, in one bundle. */
  load(desired: NetfilterDesired): Promise<void>
  /** Where the loaded flows come from. */
  origins(): readonly string[]
  /** The loaded flows and how many packets each has had. */
  dumpFlows(): Promise<string>
  stop(): Promise<void>
}

/** Starts machines a to d as NICs and e on the outside. */
export async function startOpenflowLab(): Promise<OpenflowLab> {
  const children = new Set<ChildProcess>()
  const ovs = await startOvs()
  const machines = new Map<string, LabMachine>()
  await host('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1')
  await ovs.vsctl(
    'add-br',
    BRIDGE,
    '--',
    'set',
    'bridge',
    BRIDGE,
    'datapath_type=netdev',
    'fail_mode=secure',
  )
  for (const letter of ['a', 'b', 'c', 'd', OUTSIDE]) {
    const nic = sampleNic(letter, [])
    const port = portOf(letter)
    const machine = await startMachine(nic, children, async (peer) => {
      await host('ip', 'link', 'add', nic.tap, 'type', 'veth', ...peer)
      await host('ip', 'link', 'set', nic.tap, 'up')
      const request = `ofport_request=${port}`
      await ovs.vsctl('add-port', BRIDGE, nic.tap, '--', 'set', 'interface', nic.tap, request)
    })
    await machine.command('sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647')
    // Open vSwitch takes frames as they are in memory: their checksums must be whole.
    await machine.command('ethtool', '-K', 'eth0', 'tx', 'off')
    machines.set(letter, machine)
  }
  let loaded: readonly string[] = []
  const outside = [{ port: portOf(OUTSIDE), vlan: NETWORK }]
  return {
    ovs,
    machine: (letter) => {
      const found = machines.get(letter)
      if (found === undefined) throw new Error(`no machine ${letter}`)
      return found
    },
    load: async (desired) => {
      const plugs = new Map(
        desired.nics.map(({ port }) => [port, { port: portOf(port.slice(0, 1)), vlan: NETWORK }]),
      )
      const { flows, origins } = compileOpenflow(desired, { plugs, outside })
      loaded = [...origins.values()]
      await ovs.ofctl(['--bundle', 'replace-flows', BRIDGE, '-'], renderFlows(flows))
      // What the datapath remembers of the former flows is put right a moment later.
      await ovs.appctl('revalidator/wait')
    },
    origins: () => loaded,
    dumpFlows: async () => await ovs.ofctl(['dump-flows', BRIDGE]),
    stop: async () => {
      for (const child of children) child.kill('SIGKILL')
      await Promise.all([...children].map(ended))
      await ovs.stop()
      for (const letter of machines.keys()) await removeTap(sampleNic(letter, []).tap)
    },
  }
}

/** The OpenFlow number of a machine's port. */
function portOf(letter: string): number {
  return Number.parseInt(letter, 16)
}
