import { parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import { z } from 'zod'
import { cidr, ipAddress } from '../../fields/addresses.ts'
import { macAddress } from '../../fields/names.ts'
import { manifestOf, resourceStatus } from '../envelope.ts'

const nic = z.string().min(1).max(15).meta({ description: 'The host’s NIC or bridge on it.' })

/** `from` and `to` bound the addresses that chassis get. The first of the network is ours. */
const bootSubnet = z
  .strictObject({ cidr, from: ipAddress, to: ipAddress, gateway: ipAddress.optional() })
  .superRefine((subnet, context) => {
    const refuse = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message })
    const range = parseCidr(subnet.cidr)
    if (range === undefined) return
    if (range.family === 'ipv6' || range.prefixLength > 30) {
      refuse('cidr', 'must be an IPv4 network of /30 or larger: firmware boots over IPv4')
      return
    }
    for (const field of ['from', 'to', 'gateway'] as const) {
      const address = parseAddress(subnet[field] ?? subnet.from)
      if (address === undefined || !rangeHolds(range, address)) {
        refuse(field, `${subnet[field]} is not in ${subnet.cidr}`)
        return
      }
    }
    const [from, to] = [parseAddress(subnet.from), parseAddress(subnet.to)]
    if (from && to && from.value > to.value) refuse('to', `${subnet.to} is before ${subnet.from}`)
  })

/** Where chassis boot: the daemon answers DHCP, TFTP and HTTP here, and nowhere else. */
export const deploymentNetworkSpec = z
  .strictObject({
    interface: nic,
    subnet: bootSubnet,
    enrolUnknown: z.boolean().default(false).meta({
      description: 'Unknown MACs are answered with discovery, for as long as this is true.',
    }),
  })
  .meta({ id: 'DeploymentNetworkSpec' })
export const deploymentNetwork = manifestOf('DeploymentNetwork', deploymentNetworkSpec)

/** A DHCP server that answered a probe. */
export const dhcpServer = z
  .strictObject({
    address: z.string(),
    mac: z.string().optional(),
    offered: z.string().optional().meta({ description: 'The address that it offered.' }),
    own: z.boolean().meta({ description: 'It is this daemon’s.' }),
  })
  .meta({ id: 'DhcpServer' })
export type DhcpServer = z.infer<typeof dhcpServer>

export const deploymentNetworkStatus = resourceStatus
  .extend({
    enrolUntilMs: z
      .number()
      .int()
      .optional()
      .meta({ description: 'Unknown MACs are answered until then.' }),
    unknown: z
      .array(
        z.strictObject({
          mac: macAddress,
          seenAtMs: z.number().int(),
          manufacturer: z.string().optional(),
          product: z.string().optional(),
          serial: z.string().optional(),
        }),
      )
      .max(256)
      .optional()
      .meta({ description: 'Nodes that no chassis names, seen in an enrol window.' }),
    servers: z
      .array(dhcpServer)
      .optional()
      .meta({ description: 'What the last probe for DHCP servers found.' }),
  })
  .meta({ id: 'DeploymentNetworkStatus' })
export type DeploymentNetworkStatus = z.infer<typeof deploymentNetworkStatus>

/** The network on which people and other daemons reach this one. It never overlaps with another of
 *  the four, so that nothing is ever booted on it. */
export const managementNetworkSpec = z
  .strictObject({ cidr, interface: nic.optional() })
  .meta({ id: 'ManagementNetworkSpec' })
export const managementNetwork = manifestOf('ManagementNetwork', managementNetworkSpec)

/** The network of BMCs: a chassis that names it must have its BMC's address in it. */
export const ipmiNetworkSpec = z
  .strictObject({ cidr, interface: nic.optional() })
  .meta({ id: 'IpmiNetworkSpec' })
export const ipmiNetwork = manifestOf('IpmiNetwork', ipmiNetworkSpec)
