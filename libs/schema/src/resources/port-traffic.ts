import { z } from 'zod'
import { ipAddress } from '../fields/addresses.ts'
import { resourceName } from '../fields/names.ts'

/** A rate of whole frames on layer 2, without preamble and gap. */
const rateLimit = z
  .strictObject({
    kbitPerSecond: z.number().int().min(64).max(400_000_000),
    burstKbit: z.number().int().min(12).max(4_000_000).optional().meta({
      description: 'What may pass at once; absent: a tenth of a second of the rate.',
    }),
  })
  .meta({ id: 'RateLimit' })
export type RateLimit = z.infer<typeof rateLimit>

/** Limits of each port, as the machine sees it: `inbound` is what it receives. */
export const portQos = z
  .strictObject({ inbound: rateLimit.optional(), outbound: rateLimit.optional() })
  .meta({ id: 'PortQos' })
export type PortQos = z.infer<typeof portQos>

/** Copies of frames of the port group's ports, or of some of them. */
export const portMirror = z
  .strictObject({
    name: resourceName,
    ports: z.array(z.string()).max(256).optional().meta({
      description: 'Ports as MACHINE.NIC; absent: every port of the group.',
    }),
    direction: z.enum(['both', 'inbound', 'outbound']).default('both').meta({
      description: 'As the machines see it.',
    }),
    to: z.union([
      z.strictObject({
        port: z
          .string()
          .meta({ description: 'A port on the same host, which then serves this alone.' }),
      }),
      z.strictObject({
        tunnel: z.enum(['gre', 'vxlan', 'geneve']).default('gre'),
        address: ipAddress.meta({ description: 'Where the tunnel ends.' }),
        key: z.number().int().min(0).max(16_777_215).default(0),
      }),
    ]),
  })
  .meta({ id: 'PortMirror' })
export type PortMirror = z.infer<typeof portMirror>

/** How NICs reach the switch: by a bridge of their own, where nftables filters them, or as ports of
 *  the switch themselves, which flows filter. */
export const portPath = z.enum(['filterable', 'direct'])
export type PortPath = z.infer<typeof portPath>
