import { cookieOf } from '../../src/openflow/flow.ts'
import type { GuardPath } from './guard-path.ts'
import { startOpenflowLab } from './openflow-lab.ts'
import { openWire, type Wire } from './wire.ts'

/** Silent machines plugged straight into Open vSwitch. */
export async function openflowPath(letters: readonly string[]): Promise<GuardPath> {
  const lab = await startOpenflowLab()
  const wires = new Map<string, Wire>()
  for (const letter of letters) {
    const machine = lab.machine(letter)
    await machine.command('ip', 'address', 'flush', 'dev', 'eth0')
    await machine.command('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1')
    wires.set(letter, openWire('eth0', machine.namespace))
  }
  return {
    enforce: async (desired) => {
      await lab.load(desired)
      await lab.ovs.appctl('dpctl/flush-conntrack')
    },
    dropped: async (origin) => {
      // Counts of the datapath are handed up from time to time, or when it forgets what it knows.
      await lab.ovs.appctl('revalidator/purge')
      const names = lab.origins().filter((one) => one.startsWith(origin))
      const cookies = names.map(cookieOf)
      const flows = (await lab.dumpFlows())
        .split('\n')
        .filter((line) => line.endsWith('actions=drop'))
      return flows
        .filter((line) => cookies.some((cookie) => line.includes(`cookie=${cookie},`)))
        .map((line) => Number(/n_packets=(\d+)/.exec(line)?.[1] ?? 0))
        .reduce((sum, packets) => sum + packets, 0)
    },
    wire: (letter) => {
      const wire = wires.get(letter)
      if (wire === undefined) throw new Error(`no machine ${letter}`)
      return wire
    },
    stop: async () => {
      await Promise.all([...wires.values()].map((wire) => wire.stop()))
      await lab.stop()
    },
  }
}
