import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

/** What a host has, and how much of it its configuration lets machines be promised. */
export const hostCapacity = z
  .strictObject({
    cpus: z.number().int().min(1).meta({ description: 'Processors that are online.' }),
    memoryMiB: z.number().int().min(1),
    reservedCpus: z.number().min(0).meta({ description: 'Kept for the host itself.' }),
    reservedMemoryMiB: z.number().int().min(0),
    cpuRatio: z.number().min(0.01).meta({
      description: 'How often what is left of a processor may be promised.',
    }),
    memoryRatio: z.number().min(0.01),
  })
  .meta({ id: 'HostCapacity' })
export type HostCapacity = z.infer<typeof hostCapacity>

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
    capacity: hostCapacity.optional().meta({
      description: 'What its machines may be promised; absent: its agent has not told.',
    }),
  })
  .meta({ id: 'HostSpec' })
export type HostSpec = z.infer<typeof hostSpec>

/** Written by the agents alone. */
export const host = manifestOf('Host', hostSpec, resourceName)
