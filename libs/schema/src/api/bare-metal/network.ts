import { z } from 'zod'
import { dhcpServer } from '../../resources/bare-metal/networks.ts'

/** DHCP servers that answered a DISCOVER of ours on the network. */
export const dhcpProbeAnswer = z
  .strictObject({
    servers: z.array(dhcpServer),
    foreign: z.boolean().meta({ description: 'One of them is not this daemon’s.' }),
  })
  .meta({ id: 'DhcpProbeAnswer' })
export type DhcpProbeAnswer = z.infer<typeof dhcpProbeAnswer>

export const enrolRequest = z
  .strictObject({
    minutes: z.number().int().min(0).max(1_440).meta({ description: '0 closes the window.' }),
  })
  .meta({ id: 'EnrolRequest' })
export type EnrolRequest = z.input<typeof enrolRequest>

export const enrolAnswer = z
  .strictObject({
    untilMs: z.number().int().optional().meta({ description: 'Absent: closed.' }),
  })
  .meta({ id: 'EnrolAnswer' })
export type EnrolAnswer = z.infer<typeof enrolAnswer>
