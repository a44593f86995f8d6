import { formatAddress, type IpAddress, parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import { z } from 'zod'
import { cidr, ipAddress } from '../fields/addresses.ts'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

const dhcpRange = z.strictObject({
  from: ipAddress,
  to: ipAddress,
  leaseSeconds: z.number().int().min(120).max(31_536_000).default(3600),
})

const subnet = z
  .strictObject({ cidr, gateway: ipAddress.optional(), dhcp: dhcpRange.optional() })
  .superRefine((value, context) => {
    const network = parseCidr(value.cidr)
    if (network === undefined) return
    const inside = (text: string, path: string[]): IpAddress | undefined => {
      const address = parseAddress(text)
      if (address === undefined) return undefined
      if (rangeHolds(network, address)) return address
      context.addIssue({ code: 'custom', path, message: `must be an address of ${value.cidr}` })
      return undefined
    }
    const gateway = value.gateway === undefined ? undefined : inside(value.gateway, ['gateway'])
    if (value.dhcp === undefined) return
    if (value.gateway === undefined) {
      const message = 'must be given where addresses are leased: DHCP answers from it'
      context.addIssue({ code: 'custom', path: ['gateway'], message })
    }
    const from = inside(value.dhcp.from, ['dhcp', 'from'])
    const to = inside(value.dhcp.to, ['dhcp', 'to'])
    if (from === undefined || to === undefined) return
    if (from.value > to.value) {
      context.addIssue({
        code: 'custom',
        path: ['dhcp', 'to'],
        message: 'must not be below dhcp.from',
      })
    } else if (gateway && from.value <= gateway.value && gateway.value <= to.value) {
      const message = `must not hold the gateway ${formatAddress(gateway)}`
      context.addIssue({ code: 'custom', path: ['dhcp'], message })
    }
  })
export type Subnet = z.infer<typeof subnet>

/** A network of a switch: its VLAN, subnets, DHCP and names. */
export const portGroupSpec = z
  .strictObject({
    switch: resourceName,
    vlan: z
      .number()
      .int()
      .min(0)
      .max(4094)
      .default(0)
      .meta({ description: 'Access VLAN; 0: untagged.' }),
    trunk: z.array(z.number().int().min(1).max(4094)).min(1).max(256).optional().meta({
      description:
        'VLANs that pass tagged beside the access VLAN. Groups cannot see into tagged frames.',
    }),
    subnets: z.array(subnet).max(16).default([]),
    dns: z
      .strictObject({
        domain: z
          .string()
          .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a domain such as prod.example'),
        forwarders: z.array(ipAddress).default([]),
      })
      .optional(),
  })
  .meta({ id: 'PortGroupSpec' })
export type PortGroupSpec = z.infer<typeof portGroupSpec>

export const portGroup = manifestOf('PortGroup', portGroupSpec)
