import { PurlinError } from '@purlin/base'

/** The error of a database that cannot be talked to. */
export function unreachable(socketPath: string, why: string): PurlinError {
  return new PurlinError('PUR_OVS_UNREACHABLE', {
    message: `Open vSwitch's database on ${socketPath} cannot be used: ${why}; start ovsdb-server and ovs-vswitchd (service openvswitch-switch)`,
    context: { socketPath, reason: why },
  })
}
