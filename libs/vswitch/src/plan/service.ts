import { shortHash } from '@purlin/base'
import { aliasOf, PORT_GROUP_MARK } from '../mark.ts'
import type { VswitchObserved } from '../observed.ts'
import type { ServiceDesired } from '../services/service.ts'
import { switchPortDifferences } from './port.ts'
import type { SwitchPortWanted } from './wanted.ts'

/** The switch port of a service. */
export function servicePortWanted(service: ServiceDesired): SwitchPortWanted {
  return {
    bridge: service.switch,
    tag: service.vlan,
    trunks: [],
    externalIds: { [PORT_GROUP_MARK]: service.portGroup },
    interfaceIds: { 'attached-mac': service.mac },
  }
}

/** Of what a service's namespace was made: when it differs, the namespace is configured anew. */
export function namespaceFingerprint(service: ServiceDesired): string {
  return shortHash(JSON.stringify([service.mac, service.mtu, service.addresses]), 16)
}

/** Of what dnsmasq was started with. */
export function configurationFingerprint(service: ServiceDesired): string {
  return shortHash(service.configuration ?? '', 16)
}

/** What of a service does not run as it should, in words; empty: all is well. Pure. */
export function serviceDifferences(
  service: ServiceDesired,
  observed: VswitchObserved,
): readonly string[] {
  const found = observed.services.get(service.portGroup)
  if (found?.holder === undefined) return ['its namespace is missing']
  const device = observed.links.get(service.device)
  const { namespace, dnsmasq } = found
  return [
    ...(device?.alias === aliasOf(PORT_GROUP_MARK, service.portGroup)
      ? []
      : [`${service.device} is missing`]),
    ...(device === undefined || device.up ? [] : [`${service.device} is down`]),
    ...(found.holder.fingerprint === namespaceFingerprint(service)
      ? []
      : ['its addresses are others']),
    ...service.addresses
      .map((address) => address.slice(0, address.indexOf('/')))
      .filter((address) => !namespace.addresses.has(address))
      .map((address) => `${address} is missing`),
    ...switchPortDifferences(service.device, servicePortWanted(service), observed),
    ...dnsmasqDifferences(service, dnsmasq, namespace.udpPorts),
  ]
}

/** What of its reservations and names dnsmasq was not told, in words. Pure. */
export function reservationDifferences(
  service: ServiceDesired,
  observed: VswitchObserved,
): readonly string[] {
  const found = observed.services.get(service.portGroup)
  if (found === undefined || service.configuration === undefined) return []
  return [
    ...filesDifference('reservations', found.reservations, service.reservations),
    ...filesDifference('names', found.names, service.names),
    ...(found.owed ? ['a change was not seen through'] : []),
  ]
}

function dnsmasqDifferences(
  service: ServiceDesired,
  dnsmasq: { readonly state: string; readonly fingerprint: string } | undefined,
  udpPorts: ReadonlySet<number>,
): readonly string[] {
  if (service.configuration === undefined) {
    return dnsmasq === undefined ? [] : ['dnsmasq is not wanted any more']
  }
  if (dnsmasq === undefined) return ['dnsmasq does not run']
  if (dnsmasq.state !== 'running') return [`dnsmasq is ${dnsmasq.state}`]
  if (dnsmasq.fingerprint !== configurationFingerprint(service)) {
    return ['dnsmasq runs with another configuration']
  }
  return service.sockets
    .filter((port) => !udpPorts.has(port))
    .map((port) => `nothing listens on UDP port ${port}`)
}

function filesDifference(
  what: string,
  found: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): readonly string[] {
  const added = [...wanted.keys()].filter((name) => !found.has(name)).length
  const removed = [...found.keys()].filter((name) => !wanted.has(name)).length
  const changed = [...wanted].filter(
    ([name, text]) => found.has(name) && found.get(name) !== text,
  ).length
  return added + removed + changed === 0
    ? []
    : [`${what}: ${added} to add, ${changed} to change, ${removed} to remove`]
}
