import { formatAddress, type IpAddress, parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import { z } from 'zod'
import { cidr, ipAddress } from '../fields/addresses.ts'

/** Bits of a prefix from which a machine makes an address of its own (RFC 4862). */
const AUTOCONFIGURED_PREFIX = 64

const dhcpRange = z.strictObject({
  from: ipAddress,
  to: ipAddress,
  leaseSeconds: z.number().int().min(120).max(31_536_000).default(3600),
})

/** A network of addresses within a port group. */
export const subnet = z
  .strictObject({
    cidr,
    gateway: ipAddress.optional().meta({
      description: 'Answered on every host of the port group, with one MAC.',
    }),
    dhcp: dhcpRange.optional(),
    slaac: z.boolean().optional().meta({
      description:
        'Of IPv6: machines make their address of the prefix and their MAC; with dhcp beside it they have both.',
    }),
  })
  .superRefine((value, context) => {
    const network = parseCidr(value.cidr)
    if (network === undefined) return
    const issue = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message })
    const inside = (text: string, path: string[]): IpAddress | undefined => {
      const address = parseAddress(text)
      if (address === undefined) return undefined
      if (rangeHolds(network, address)) return address
      issue(path, `must be an address of ${value.cidr}`)
      return undefined
    }
    const gateway = value.gateway === undefined ? undefined : inside(value.gateway, ['gateway'])
    if (value.slaac === true) {
      if (network.family !== 'ipv6' || network.prefixLength !== AUTOCONFIGURED_PREFIX) {
        issue(['slaac'], `needs an IPv6 network of /64: ${value.cidr} is none`)
      }
      if (value.gateway === undefined) {
        issue(['gateway'], 'must be given where machines make their addresses: it advertises')
      }
    }
    if (value.dhcp === undefined) return
    if (value.gateway === undefined) {
      issue(['gateway'], 'must be given where addresses are leased: DHCP answers from it')
    }
    const from = inside(value.dhcp.from, ['dhcp', 'from'])
    const to = inside(value.dhcp.to, ['dhcp', 'to'])
    if (from === undefined || to === undefined) return
    if (from.value > to.value) {
      issue(['dhcp', 'to'], 'must not be below dhcp.from')
    } else if (gateway && from.value <= gateway.value && gateway.value <= to.value) {
      issue(['dhcp'], `must not hold the gateway ${formatAddress(gateway)}`)
    }
  })
export type Subnet = z.infer<typeof subnet>

/** A file or address that firmware is told; what would end a line of the server's file is
 *  refused. */
const bootFile = z
  .string()
  .regex(/^[A-Za-z0-9._~:/?@%+=&-]{1,255}$/, 'must be a path or URL without spaces and commas')

/** What DHCP tells machines that start from the network. */
export const networkBoot = z
  .strictObject({
    nextServer: ipAddress.optional().meta({
      description: 'TFTP server of IPv4; absent: the port group’s own gateway.',
    }),
    bios: bootFile.optional().meta({ description: 'For BIOS firmware (architecture 0).' }),
    uefi: bootFile.optional().meta({ description: 'For UEFI on x86-64 (7 and 9).' }),
    uefiArm64: bootFile.optional().meta({ description: 'For UEFI on 64-bit ARM (11).' }),
    uefiHttp: bootFile.optional().meta({ description: 'URL for UEFI that boots by HTTP (16).' }),
    ipxe: bootFile.optional().meta({
      description: 'For iPXE itself, whatever started it: usually the URL of a script.',
    }),
    ipv6: bootFile.optional().meta({ description: 'URL that DHCPv6 tells (RFC 5970).' }),
  })
  .refine(
    ({ nextServer }) => nextServer === undefined || parseAddress(nextServer)?.family === 'ipv4',
    { path: ['nextServer'], message: 'must be an IPv4 address' },
  )
  .meta({ id: 'NetworkBoot' })
export type NetworkBoot = z.infer<typeof networkBoot>
