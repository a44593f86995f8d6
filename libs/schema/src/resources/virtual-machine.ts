import { z } from 'zod'
import { ipAddress } from '../fields/addresses.ts'
import { macAddress, resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

/** What happens to a packet of a filtered NIC that no rule decides. */
export const defaultPolicy = z
  .strictObject({
    inbound: z.enum(['allow', 'deny']).default('deny'),
    outbound: z.enum(['allow', 'deny']).default('allow'),
  })
  .meta({ id: 'DefaultPolicy' })
export type DefaultPolicy = z.infer<typeof defaultPolicy>

const nic = z
  .strictObject({
    name: resourceName.max(15),
    portGroup: resourceName,
    securityGroups: z
      .array(resourceName)
      .max(32)
      .default([])
      .meta({ description: 'In order: an earlier group decides before a later one.' }),
    defaultPolicy: defaultPolicy.prefault({}),
    mac: macAddress.optional().meta({ description: 'Given out when absent.' }),
    addresses: z
      .array(ipAddress)
      .max(8)
      .optional()
      .meta({ description: 'Fixed addresses; absent: the lowest free of each DHCP range.' }),
  })
  .meta({ id: 'VirtualMachineNic' })
export type VirtualMachineNic = z.infer<typeof nic>

export const virtualMachineSpec = z
  .strictObject({
    cpus: z.number().int().min(1).max(512),
    memoryMiB: z.number().int().min(64).max(16_777_216),
    image: resourceName,
    nics: z.array(nic).max(16).default([]),
    powerState: z
      .enum(['running', 'stopped'])
      .default('running')
      .meta({ description: 'What the machine should be; `vm start` and `vm stop` change it.' }),
  })
  .superRefine((spec, context) => {
    spec.nics.forEach((one, index) => {
      if (spec.nics.findIndex((other) => other.name === one.name) !== index) {
        const message = `duplicate name ${one.name}: NICs of a machine have names of their own`
        context.addIssue({ code: 'custom', path: ['nics', index, 'name'], message })
      }
    })
  })
  .meta({ id: 'VirtualMachineSpec' })
export type VirtualMachineSpec = z.infer<typeof virtualMachineSpec>

export const virtualMachine = manifestOf('VirtualMachine', virtualMachineSpec)
