import { sampleNic } from '../../src/testing/sample.ts'
import { enforce, newDriver } from './enforce.ts'
import type { GuardPath } from './guard-path.ts'
import { host, packetsOf, startLab } from './lab.ts'
import { openWire, type Wire } from './wire.ts'

/** Silent machines on bridges of their own, filtered by nftables. */
export async function hybridPath(letters: readonly string[]): Promise<GuardPath> {
  const lab = await startLab([])
  const driver = newDriver()
  const wires = new Map<string, Wire>()
  for (const letter of letters) {
    const machine = await lab.add({ ...sampleNic(letter, []), ipv4: [], ipv6: [] })
    await machine.command('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1')
    wires.set(letter, openWire('eth0', machine.namespace))
  }
  return {
    enforce: async (desired) => {
      await enforce(driver, desired)
      await host('conntrack', '-F')
    },
    dropped: async (origin) => await packetsOf('bridge purlin', origin),
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
