import type { PortGroupSpec } from './port-group.ts'
import type { VirtualMachineNic } from './virtual-machine.ts'

/** The NIC with what its port group gives to NICs that do not say themselves. Pure. */
export function nicWithDefaults(
  nic: VirtualMachineNic,
  group: PortGroupSpec | undefined,
): VirtualMachineNic {
  if (group?.securityGroups === undefined && group?.defaultPolicy === undefined) return nic
  const own = nic.securityGroups
  return {
    ...nic,
    securityGroups: own.length > 0 ? own : (group.securityGroups ?? []),
    defaultPolicy: { ...group.defaultPolicy, ...nic.defaultPolicy },
  }
}
