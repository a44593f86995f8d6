import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

/** A host of the fleet as it last spoke of itself. */
export const hostSpec = z
  .strictObject({
    addresses: z.array(z.string()).meta({ description: 'IP addresses it has, without loopback.' }),
    listen: z.string().optional().meta({
      description: 'Where its agent is reached by the other agents.',
      example: '192.0.2.1:7443',
    }),
    fingerprint: z.string().optional().meta({
      description: 'SHA-256 of its certificate; absent for a host that has not joined by one.',
    }),
    version: z.string().meta({ description: 'Version of its agent.' }),
  })
  .meta({ id: 'HostSpec' })
export type HostSpec = z.infer<typeof hostSpec>

/** Written by the agents alone. */
export const host = manifestOf('Host', hostSpec, resourceName)
