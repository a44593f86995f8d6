import { z } from 'zod'
import { deviceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

/** One network configuration over all hosts; on each it is an Open vSwitch bridge of this name. */
export const distributedSwitchSpec = z
  .strictObject({
    mtu: z.number().int().min(1280).max(9216).default(1500).meta({ description: 'Bytes.' }),
    uplinks: z
      .array(z.string().min(1).max(15))
      .default([])
      .meta({ description: 'Host interfaces that join the switch; none: it lives on this host.' }),
  })
  .meta({ id: 'DistributedSwitchSpec' })
export type DistributedSwitchSpec = z.infer<typeof distributedSwitchSpec>

export const distributedSwitch = manifestOf('DistributedSwitch', distributedSwitchSpec, deviceName)
