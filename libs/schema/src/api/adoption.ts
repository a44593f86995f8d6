import { z } from 'zod'
import { macAddress, resourceName } from '../fields/names.ts'
import { task } from '../work/task.ts'
import type { Operation } from './operation.ts'

/** How a domain of libvirt that somebody else made is to be taken in. */
export const adoptionRequest = z
  .strictObject({
    nics: z
      .array(z.strictObject({ mac: macAddress, portGroup: resourceName }))
      .max(16)
      .default([])
      .meta({
        description:
          'Which port group each NIC is to have; absent: the one of its bridge and VLAN, where there is exactly one.',
      }),
  })
  .meta({ id: 'AdoptionRequest' })
export type AdoptionRequest = z.input<typeof adoptionRequest>

const sentences = z.array(z.string())

/** The machine that a foreign domain would be. */
export const adoptionPlan = z
  .strictObject({
    manifest: z.strictObject({
      kind: z.literal('VirtualMachine'),
      name: z.string(),
      spec: z.looseObject({}),
    }),
    obstacles: sentences.meta({ description: 'Why it cannot be taken in; empty: it can.' }),
    changes: sentences.meta({ description: 'What is otherwise from its next start on.' }),
  })
  .meta({ id: 'AdoptionPlan' })
export type AdoptionPlan = z.infer<typeof adoptionPlan>

const path = '/v1/foreign-machines/:name'

/** The calls that take foreign domains in. */
export const adoptionOperations = {
  planAdoption: {
    method: 'POST',
    path: `${path}/adoption-plan`,
    summary: 'The machine that a domain of somebody else would be; nothing is changed.',
    role: 'viewer',
    status: 200,
    body: adoptionRequest,
    answer: adoptionPlan,
  },
  adoptMachine: {
    method: 'POST',
    path: `${path}/adopt`,
    summary: 'Take a domain of somebody else in as a machine; it runs on as it is.',
    role: 'operator',
    status: 202,
    body: adoptionRequest,
    answer: task,
  },
} as const satisfies Record<string, Operation>
