import { formatAddress, parseCidr } from '@purlin/base'

/** dnsmasq's own bound is 1,000 leases, which a large network would meet in silence. */
const LEASE_LIMIT = 65_536
const LEASE_SECONDS = 3_600
/** A DHCP option that iPXE alone sends (its own encapsulated options). */
const IPXE_OPTION = 175

/** Processor architectures of firmware (RFC 4578 and IANA's registry). */
const architectures = { bios: [0], uefi: [7, 9], uefiHttp: [16] } as const
/** 32-bit UEFI and ARM: no loader of ours is for them. */
const REFUSED_ARCHITECTURES = [6, 10, 11, 15, 18, 19]

export interface DhcpFiles {
  readonly configuration: string
  readonly hosts: string
  readonly leases: string
  readonly tftp: string
}

export interface DhcpConfiguration {
  readonly interface: string
  readonly serverAddress: string
  readonly subnet: {
    readonly cidr: string
    readonly from: string
    readonly to: string
    readonly gateway?: string
  }
  readonly files: DhcpFiles
  /** Absent: dnsmasq stays who started it. */
  readonly user?: string
  readonly httpUrl: string
  readonly biosLoader: 'ipxe' | 'pxelinux'
  readonly enrolOpen: boolean
}

/** The file that dnsmasq is started with. Machines are in the hosts file, so it changes only with
 *  the network and its enrol window. While that is closed the range is `static`: even without the
 *  line that ignores strangers there would be no address for them. Tags are of requests, never of
 *  hosts: dnsmasq 2.90 dies on SIGHUP once a tagged host has served a lease. Router and name
 *  server are always told, because installers ask a person for either before they can read an
 *  answer file. Source: dnsmasq(8), version 2.90. Pure. */
export function dhcpConfiguration(wanted: DhcpConfiguration): string {
  const { serverAddress, subnet, files, httpUrl } = wanted
  const pxelinux = wanted.biosLoader === 'pxelinux'
  return [
    '# Written by Purlin; a change made here is overwritten.',
    ...(wanted.user === undefined ? [] : [`user=${wanted.user}`]),
    `interface=${wanted.interface}`,
    'except-interface=lo',
    'bind-interfaces',
    'port=0',
    'no-hosts',
    'no-resolv',
    'no-poll',
    'no-ping',
    'log-facility=-',
    'pid-file=',
    'dhcp-authoritative',
    `dhcp-lease-max=${LEASE_LIMIT}`,
    `dhcp-leasefile=${files.leases}`,
    `dhcp-hostsfile=${files.hosts}`,
    rangeLine(wanted),
    ...(wanted.enrolOpen ? [] : ['dhcp-ignore=tag:!known']),
    `dhcp-option=option:router,${subnet.gateway ?? serverAddress}`,
    `dhcp-option=option:dns-server,${serverAddress}`,
    ...matchLines('refused', REFUSED_ARCHITECTURES),
    'dhcp-ignore=tag:refused',
    `dhcp-match=set:ipxe,${IPXE_OPTION}`,
    'dhcp-userclass=set:ipxe,iPXE',
    ...matchLines('bios', architectures.bios),
    ...matchLines('uefi', architectures.uefi),
    ...matchLines('uefi-http', architectures.uefiHttp),
    `dhcp-boot=tag:ipxe,${httpUrl}/boot.ipxe`,
    `dhcp-boot=tag:bios,tag:!ipxe,${pxelinux ? 'pxelinux.0' : 'undionly.kpxe'}`,
    'dhcp-boot=tag:uefi,tag:!ipxe,snponly.efi',
    `dhcp-boot=tag:uefi-http,tag:!ipxe,${httpUrl}/loader/ipxe.efi`,
    // Such firmware takes an answer only from a server that names itself so.
    'dhcp-option-force=tag:uefi-http,tag:!ipxe,60,HTTPClient',
    'enable-tftp',
    `tftp-root=${files.tftp}`,
  ]
    .map((line) => `${line}\n`)
    .join('')
}

function matchLines(tag: string, codes: readonly number[]): readonly string[] {
  return codes.map((code) => `dhcp-match=set:${tag},option:client-arch,${code}`)
}

function rangeLine({ subnet, enrolOpen }: DhcpConfiguration): string {
  const network = parseCidr(subnet.cidr)
  const length = network?.prefixLength ?? 24
  const mask = (0xffff_ffffn << BigInt(32 - length)) & 0xffff_ffffn
  const netmask = formatAddress({ family: 'ipv4', value: mask })
  const first = formatAddress({ family: 'ipv4', value: network?.first ?? 0n })
  const ends = enrolOpen ? `${subnet.from},${subnet.to}` : `${first},static`
  return `dhcp-range=${ends},${netmask},${LEASE_SECONDS}`
}
