import { shortHash } from '@purlin/base'

/** MAC address of a port group's gateway: locally administered, from its name. */
export function gatewayMac(portGroup: string): string {
  const digits = shortHash(`gateway of ${portGroup}`, 10)
  return `02:${digits.match(/../g)?.join(':') ?? ''}`
}
