import { uuidOf } from '@purlin/base'
import type { MachineDesired } from '../../src/index.ts'

/** A machine of one NIC, as the tests want it. */
export function machineOf(name: string, change: Partial<MachineDesired> = {}): MachineDesired {
  return {
    name,
    uuid: uuidOf(name),
    cpus: 1,
    memoryMiB: 128,
    powerState: 'running',
    generation: 1,
    accelerator: 'tcg',
    boot: { kernel: '/images/vmlinux', initrd: '/images/initrd', commandLine: 'console=ttyS0' },
    nics: [
      {
        port: `${name}.eth0`,
        mac: '52:54:00:00:00:01',
        bridgeDevice: `br-${name}`,
        tapDevice: `tap-${name}`,
        mtu: 1500,
      },
    ],
    serialLogFile: `/var/log/purlin/${name}.serial`,
    serialSocket: `/run/${name}.serial`,
    display: false,
    ...change,
  }
}
