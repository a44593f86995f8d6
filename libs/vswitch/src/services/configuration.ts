import { formatAddress, parseCidr } from '@purlin/base'
import type { PortGroupDesired, SubnetDesired } from '../desired.ts'
import { networkBootLines } from './network-boot.ts'

/** dnsmasq's own bound is 1,000 leases, which a large port group would meet in silence. */
const LEASE_LIMIT = 65_536
const ADVERTISEMENT_INTERVAL_SECONDS = 300
const ROUTER_LIFETIME_SECONDS = 1_800

export interface ConfigurationInput {
  /** Folder of the service's files. */
  readonly folder: string
  readonly user: string
  readonly device: string
  /** Bytes. */
  readonly mtu: number
  /** Subnets with a gateway whose addresses are leased or made by machines. */
  readonly subnets: readonly SubnetDesired[]
  readonly dns: PortGroupDesired['dns']
  readonly pxe: PortGroupDesired['pxe']
}

/** The file dnsmasq is started with. It changes only with the port group; machines come and go
 *  in the two host folders. Ranges are `static`: an address is given to a reservation or to
 *  nobody. The router and name server that DHCP tells are dnsmasq's defaults, its own address in
 *  each subnet, which is the gateway. Source: dnsmasq(8), version 2.90. */
export function configurationOf(input: ConfigurationInput): string {
  const ranges = input.subnets.flatMap((subnet) => rangeOf(subnet))
  const leasing = input.subnets.filter(({ dhcp }) => dhcp !== undefined)
  const families = new Set(leasing.map(({ cidr }) => parseCidr(cidr)?.family))
  const advertises = input.subnets.some(({ cidr }) => parseCidr(cidr)?.family === 'ipv6')
  return lines([
    '# Written by Purlin; a change made here is overwritten.',
    `user=${input.user}`,
    `interface=${input.device}`,
    'except-interface=lo',
    'bind-interfaces',
    'no-hosts',
    'no-resolv',
    'no-poll',
    'log-facility=-',
    'pid-file=',
    ...(input.dns === undefined
      ? ['port=0']
      : [
          `domain=${input.dns.domain}`,
          `local=/${input.dns.domain}/`,
          'domain-needed',
          'bogus-priv',
          `hostsdir=${input.folder}/names`,
          ...input.dns.forwarders.map((forwarder) => `server=${forwarder}`),
        ]),
    ...ranges,
    ...(families.size === 0
      ? []
      : [
          'quiet-dhcp',
          'quiet-dhcp6',
          'dhcp-authoritative',
          'no-ping',
          'dhcp-ignore=tag:!known',
          `dhcp-lease-max=${LEASE_LIMIT}`,
          `dhcp-leasefile=${input.folder}/leases`,
          `dhcp-hostsdir=${input.folder}/reservations`,
          `dhcp-option=option:mtu,${input.mtu}`,
          ...networkBootLines(input.pxe, families),
        ]),
    ...(advertises
      ? [
          'enable-ra',
          'quiet-ra',
          `ra-param=${input.device},mtu:${input.mtu},${ADVERTISEMENT_INTERVAL_SECONDS},${ROUTER_LIFETIME_SECONDS}`,
        ]
      : []),
  ])
}

/** `static`: only reservations are answered. `slaac`: the prefix is advertised as one that machines
 *  make addresses of. `ra-only`: that alone. */
function rangeOf(subnet: SubnetDesired): readonly string[] {
  const network = parseCidr(subnet.cidr)
  if (network === undefined) return []
  const first = formatAddress({ family: network.family, value: network.first })
  if (subnet.dhcp === undefined) {
    return subnet.slaac === true ? [`dhcp-range=${first},ra-only,${network.prefixLength}`] : []
  }
  const seconds = subnet.dhcp.leaseSeconds
  if (network.family === 'ipv6') {
    const modes = subnet.slaac === true ? 'static,slaac' : 'static'
    return [`dhcp-range=${first},${modes},${network.prefixLength},${seconds}`]
  }
  const mask = 0xffff_ffffn ^ (network.last - network.first)
  const netmask = formatAddress({ family: 'ipv4', value: mask })
  return [`dhcp-range=${first},static,${netmask},${seconds}`]
}

function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join('')
}
