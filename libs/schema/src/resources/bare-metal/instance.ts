import { parseCidr } from '@purlin/base'
import { z } from 'zod'
import { ipAddress } from '../../fields/addresses.ts'
import { resourceName } from '../../fields/names.ts'
import { manifestOf, resourceStatus } from '../envelope.ts'
import { chassisFailure, chassisState } from './life.ts'
import { instanceSource } from './source.ts'

const HOSTNAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/

/** How the disks are emptied before a chassis is another's. */
export const eraseDepth = z.enum(['quick', 'full'])
export type EraseDepth = z.infer<typeof eraseDepth>

const serviceNetwork = z.strictObject({
  portGroup: resourceName.meta({ description: 'Its access VLAN becomes a VLAN interface.' }),
  interface: z
    .string()
    .regex(/^[a-zA-Z][a-zA-Z0-9._-]{0,14}$/, 'must be an interface of the template')
    .meta({ description: 'NIC or bond of the template that carries it.' }),
  cidr: z
    .string()
    .refine((text) => parseCidr(text) !== undefined, 'must be ADDRESS/LENGTH')
    .optional()
    .meta({ description: 'Its address there with the prefix length.' }),
  dhcp: z.boolean().optional(),
  gateway: ipAddress.optional(),
})

/** An installed system on a chassis. */
export const bareMetalInstanceSpec = z
  .strictObject({
    chassis: resourceName,
    template: resourceName,
    source: instanceSource,
    hostname: z
      .string()
      .max(253)
      .regex(HOSTNAME, 'must be a host’s name of lower-case letters, digits, dashes and dots')
      .optional()
      .meta({ description: 'The resource’s name where absent.' }),
    release: eraseDepth
      .default('quick')
      .meta({ description: 'How its disks are emptied when it is deleted.' }),
    service: z
      .array(serviceNetwork)
      .max(64)
      .default([])
      .meta({ description: 'The service network: port groups in which applications are reached.' }),
  })
  .meta({ id: 'BareMetalInstanceSpec' })
export const bareMetalInstance = manifestOf('BareMetalInstance', bareMetalInstanceSpec)

export const bareMetalInstanceStatus = resourceStatus
  .extend({
    state: chassisState.optional().meta({
      description: 'Of its chassis as far as it is this instance’s; active: it runs.',
    }),
    step: z.string().optional(),
    sinceMs: z.number().int().optional(),
    deadlineAtMs: z.number().int().optional(),
    attempt: z.number().int().optional(),
    steps: z
      .array(z.strictObject({ step: z.string(), atMs: z.number().int() }))
      .max(64)
      .optional()
      .meta({ description: 'Steps of this installation in the order in which they were told.' }),
    failure: chassisFailure.optional(),
    addresses: z.array(z.string()).max(256).optional(),
    installedAtMs: z.number().int().optional(),
    metricsAtMs: z.number().int().optional().meta({ description: 'Its newest figures.' }),
  })
  .meta({ id: 'BareMetalInstanceStatus' })
export type BareMetalInstanceStatus = z.infer<typeof bareMetalInstanceStatus>
