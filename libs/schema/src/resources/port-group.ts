import { z } from 'zod'
import { ipAddress } from '../fields/addresses.ts'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'
import { portMirror, portPath, portQos } from './port-traffic.ts'
import { networkBoot, subnet } from './subnet.ts'
import { defaultPolicy } from './virtual-machine.ts'

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
    tunnelKey: z.number().int().min(1).max(16_777_215).optional().meta({
      description: 'Key of its frames in tunnels between hosts; absent: made of its VLAN.',
    }),
    ports: portPath.optional().meta({
      description: 'How its NICs reach the switch; absent: filterable.',
    }),
    qos: portQos.optional().meta({ description: 'Limits of each of its ports.' }),
    mirrors: z.array(portMirror).max(8).optional(),
    isolated: z.boolean().optional().meta({
      description: 'Its ports reach the gateway and other networks, and never each other.',
    }),
    securityGroups: z.array(resourceName).max(32).optional().meta({
      description: 'Groups of NICs that name none themselves.',
    }),
    defaultPolicy: defaultPolicy.optional().meta({
      description: 'Of NICs that do not say themselves.',
    }),
    subnets: z.array(subnet).max(16).default([]),
    dns: z
      .strictObject({
        domain: z
          .string()
          .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a domain such as prod.example'),
        forwarders: z.array(ipAddress).max(8).default([]),
      })
      .optional(),
    pxe: networkBoot.optional().meta({
      description: 'What machines are told that start from the network; leased subnets alone.',
    }),
  })
  .refine((spec) => !(spec.isolated === true && spec.ports === 'direct'), {
    path: ['isolated'],
    message: 'is not possible with ports: direct, whose flows know no isolation',
  })
  .meta({ id: 'PortGroupSpec' })
export type PortGroupSpec = z.infer<typeof portGroupSpec>

export const portGroup = manifestOf('PortGroup', portGroupSpec)
