import { shortHash } from '@purlin/base'

/** Name of the device by which a port group's service on a host is plugged into the switch. */
export function serviceDevice(portGroup: string): string {
  return `pgs-${shortHash(portGroup, 8)}`
}

/** MAC address of a port group's gateway: locally administered, from its name. */
export function gatewayMac(portGroup: string): string {
  return localMac(`gateway of ${portGroup}`)
}

/** MAC address of a router's external side on a host: each host has its own there. */
export function routerMac(router: string, host: string): string {
  return localMac(`external side of ${router} on ${host}`)
}

/** MAC address under which a port group's gateway on a host is seen by other hosts: its own is the
 *  same everywhere and would seem to move from host to host. */
export function hostGatewayMac(portGroup: string, host: string): string {
  return localMac(`gateway of ${portGroup} on ${host}`)
}

/** Name of the device by which a router's external side on a host is plugged into the switch. */
export function routerDevice(router: string): string {
  return `prx-${shortHash(router, 8)}`
}

function localMac(of: string): string {
  const digits = shortHash(of, 10)
  return `02:${digits.match(/../g)?.join(':') ?? ''}`
}
