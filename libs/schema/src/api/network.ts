import { z } from 'zod'
import type { Operation } from './operation.ts'

const count = z.number().int().min(0)

/** What passed one way, counted since the port was made. */
const flowCount = z.strictObject({ bytes: count, packets: count, errors: count })

/** Frames that were not passed on, and why. */
const dropCount = z.strictObject({
  reason: z.enum(['rate-limit', 'device']).meta({
    description: 'Above the limit of the port, or the device had no room.',
  }),
  direction: z.enum(['inbound', 'outbound']),
  packets: count,
})

/** Counters of a port, of all ports of a port group on this host, or of an uplink. Directions are
 *  the machine's own, and of an uplink the host's. */
export const traffic = z
  .strictObject({
    subject: z.enum(['port', 'port-group', 'uplink']),
    name: z.string().meta({ example: 'web-1.eth0' }),
    switch: z.string(),
    inbound: flowCount,
    outbound: flowCount,
    dropped: z.array(dropCount),
    inboundBitsPerSecond: count.meta({ description: 'Over the last measured moments.' }),
    outboundBitsPerSecond: count,
  })
  .meta({ id: 'Traffic' })
export type Traffic = z.infer<typeof traffic>

export const trafficList = z
  .strictObject({ items: z.array(traffic), measuredAtMs: z.number().int() })
  .meta({ id: 'TrafficList' })
export type TrafficList = z.infer<typeof trafficList>

const trafficSample = z.strictObject({
  atMs: z.number().int(),
  inboundBytes: count,
  outboundBytes: count,
  inboundPackets: count,
  outboundPackets: count,
  dropped: count,
  errors: count,
})

/** Counters of the last day, the newest at the end. */
export const trafficHistory = z
  .strictObject({
    subject: traffic.shape.subject,
    name: z.string(),
    samples: z.array(trafficSample),
  })
  .meta({ id: 'TrafficHistory' })
export type TrafficHistoryAnswer = z.infer<typeof trafficHistory>

/** A change of uplinks that waits for somebody to say that the host can still be reached. */
export const uplinkConfirmation = z
  .strictObject({ switch: z.string(), confirmed: z.boolean() })
  .meta({ id: 'UplinkConfirmation' })
export type UplinkConfirmation = z.infer<typeof uplinkConfirmation>

/** What can be asked of this host's network beside its resources. */
export const networkOperations = {
  listTraffic: {
    method: 'GET',
    path: '/v1/network/traffic',
    summary: 'Counters of ports, port groups and uplinks of this host.',
    role: 'viewer',
    status: 200,
    answer: trafficList,
  },
  trafficHistory: {
    method: 'GET',
    path: '/v1/network/traffic/:subject/:name',
    summary: 'Counters of the last day of a port, port group or uplink.',
    role: 'viewer',
    status: 200,
    answer: trafficHistory,
  },
  confirmUplinks: {
    method: 'POST',
    path: '/v1/network/switches/:name/confirm',
    summary: 'Say over the new path that a change of uplinks on this host is well.',
    role: 'operator',
    status: 200,
    answer: uplinkConfirmation,
  },
} as const satisfies Record<string, Operation>
