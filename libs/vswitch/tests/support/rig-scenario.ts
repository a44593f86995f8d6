import { devicesOf } from '@purlin/schema'
import type { PortDesired, SwitchDesired, VswitchDesired } from '../../src/index.ts'
import type { RigHost } from './rig.ts'
import type { RigMachine } from './rig-machine.ts'
import { keyOf, macOf } from './scenario.ts'

/** Address of the n-th machine. */
export function addressOf(number: number): string {
  return `10.50.0.${number}`
}

/** The n-th machine's port of `dvs0`, with what the test says of it. */
export function fleetPort(
  number: number,
  vlan: number,
  rest: Partial<PortDesired> = {},
): PortDesired {
  return {
    port: `vm-${number}.eth0`,
    portGroup: `vlan-${vlan}`,
    switch: 'dvs0',
    vlan,
    trunk: [],
    mac: macOf(number),
    mtu: 1500,
    devices: devicesOf(keyOf(number)),
    ...rest,
  }
}

/** Switch `dvs0` with the ports. */
export function fleetDesired(
  dvs0: Partial<SwitchDesired>,
  ports: readonly PortDesired[],
  rest: Partial<VswitchDesired> = {},
): VswitchDesired {
  const own = { name: 'dvs0', mtu: 1500, uplinks: ['up0'], ...dvs0 }
  return { switches: [own], portGroups: [], ports, ...rest }
}

/** Starts the n-th machine on a host, its tap plugged. */
export async function startMachineOn(
  host: RigHost,
  number: number,
  path: 'filterable' | 'direct' = 'filterable',
): Promise<RigMachine> {
  const machine = await host.machine(keyOf(number), macOf(number), [`${addressOf(number)}/24`])
  await machine.plug(path)
  return machine
}
