import { shortHash } from '@purlin/base'

/** Name of the device by which a port group's service on a host is plugged into the switch. */
export function serviceDevice(portGroup: string): string {
  return `pgs-${shortHash(portGroup, 8)}`
}

/** MAC address of a port group's gateway: locally administered, from its name. */
export function gatewayMac(portGroup: string): string {
  const digits = shortHash(`gateway of ${portGroup}`, 10)
  return `02:${digits.match(/../g)?.join(':') ?? ''}`
}
