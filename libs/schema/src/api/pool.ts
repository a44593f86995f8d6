import { z } from 'zod'
import { hostHardware } from './host-hardware.ts'
import type { Operation } from './operation.ts'

const amount = z.number().min(0)
const count = z.number().int().min(0)

/** How much there is of something, how much of it may be promised, is promised, and is used. */
const poolFigure = z.strictObject({
  total: amount.meta({ description: 'What the hardware has.' }),
  limit: amount.meta({
    description: 'What may be promised to machines: total less the host’s own reserve, by ratio.',
  }),
  reserved: amount.meta({
    description: 'What machines that should be active are promised, foreign ones included.',
  }),
  overcommitted: amount.meta({
    description: 'How much more is promised than there is for machines; 0: nothing.',
  }),
  used: amount.optional().meta({ description: 'What is measured; absent: not measured.' }),
})
export type PoolFigure = z.infer<typeof poolFigure>

/** What passes through disks and network devices. */
const throughput = {
  diskReadBytesPerSecond: count,
  diskWriteBytesPerSecond: count,
  netReceivedBitsPerSecond: count,
  netSentBitsPerSecond: count,
}

/** What is measured of a host. */
export const hostUse = z
  .strictObject({
    measuredAtMs: z.number().int(),
    cpus: amount.meta({ description: 'Processors that were busy, on an average.' }),
    memoryMiB: count.meta({ description: 'What is not available to programs.' }),
    load: amount.meta({ description: 'Load average of the last minute.' }),
    ...throughput,
    cpuPressure: amount.optional().meta({
      description: 'Percent of the last ten seconds in which something waited for a processor.',
    }),
    memoryPressure: amount.optional(),
    ioPressure: amount.optional(),
    numa: z
      .array(z.strictObject({ node: count, freeMiB: count }))
      .meta({ description: 'Free memory of each NUMA node.' }),
  })
  .meta({ id: 'HostUse' })
export type HostUse = z.infer<typeof hostUse>

/** How many devices there are. */
const inventoryCounts = z.strictObject({
  numaNodes: count,
  disks: count,
  diskBytes: count,
  nics: count,
  gpus: count,
})
export type InventoryCounts = z.infer<typeof inventoryCounts>

/** What a host gives to machines. */
export const hostPool = z
  .strictObject({
    host: z.string(),
    present: z.boolean(),
    machines: count.meta({ description: 'Machines on it, in any state.' }),
    activeMachines: count.meta({ description: 'Those that should be active.' }),
    cpus: poolFigure,
    memoryMiB: poolFigure,
    devices: inventoryCounts.optional(),
    use: hostUse.optional(),
  })
  .meta({ id: 'HostPool' })
export type HostPool = z.infer<typeof hostPool>

/** What a domain uses. */
const machineUse = z
  .strictObject({
    name: z.string(),
    host: z.string(),
    foreign: z.boolean().meta({ description: 'It is a domain that is not Purlin’s.' }),
    active: z.boolean(),
    cpus: count,
    cpusUsed: amount.meta({ description: 'Processors of the host that it kept busy.' }),
    memoryMiB: count.meta({ description: 'What its balloon leaves it.' }),
    memoryUsedMiB: count.meta({ description: 'What its process holds of the host’s memory.' }),
    ...throughput,
    diskReadsPerSecond: amount,
    diskWritesPerSecond: amount,
  })
  .meta({ id: 'MachineUse' })
export type MachineUse = z.infer<typeof machineUse>

/** The fleet as one pool, its hosts, and what the domains of the answering host use. */
export const poolAnswer = z
  .strictObject({
    fleet: z.strictObject({
      hosts: count,
      presentHosts: count,
      machines: count,
      activeMachines: count,
      cpus: poolFigure,
      memoryMiB: poolFigure,
      devices: inventoryCounts,
    }),
    hosts: z.array(hostPool),
    machines: z.array(machineUse).meta({ description: 'Of the host that answers.' }),
    unmeasured: z.string().optional().meta({
      description: 'Why machines are not measured, where they are not.',
    }),
  })
  .meta({ id: 'PoolAnswer' })
export type PoolAnswer = z.infer<typeof poolAnswer>

const DAY_MS = 86_400_000

/** Which part of the kept day is asked for. */
export const poolHistoryQuery = z.strictObject({
  fromMs: z.coerce.number().int().min(0).optional().meta({ description: 'Absent: a day ago.' }),
  toMs: z.coerce.number().int().min(0).optional().meta({ description: 'Absent: now.' }),
  stepMs: z.coerce
    .number()
    .int()
    .min(1_000)
    .max(DAY_MS)
    .optional()
    .meta({ description: 'What lies within it is averaged; absent: five minutes.' }),
})
export type PoolHistoryQuery = z.input<typeof poolHistoryQuery>

/** What a host or a machine used over the last day, the newest at the end. */
export const poolHistory = z
  .strictObject({
    subject: z.enum(['host', 'machine']),
    name: z.string(),
    stepMs: count,
    samples: z.array(
      z.strictObject({
        atMs: z.number().int(),
        cpus: amount,
        memoryMiB: amount,
        diskReadBytesPerSecond: amount,
        diskWriteBytesPerSecond: amount,
        netReceivedBitsPerSecond: amount,
        netSentBitsPerSecond: amount,
      }),
    ),
  })
  .meta({ id: 'PoolHistory' })
export type PoolHistory = z.infer<typeof poolHistory>

/** What can be asked of the resource pool beside `Host` resources. */
export const poolOperations = {
  showPool: {
    method: 'GET',
    path: '/v1/pool',
    summary: 'What the fleet and its hosts have, promise and use, and what machines here use.',
    role: 'viewer',
    status: 200,
    answer: poolAnswer,
  },
  poolHistory: {
    method: 'GET',
    path: '/v1/pool/history/:subject/:name',
    summary: 'What this host, or a machine on it, used over the last day.',
    role: 'viewer',
    status: 200,
    query: poolHistoryQuery,
    answer: poolHistory,
  },
  showHardware: {
    method: 'GET',
    path: '/v1/hosts/:name/hardware',
    summary: 'What a host is made of, and who has what of it.',
    role: 'viewer',
    status: 200,
    answer: hostHardware,
  },
} as const satisfies Record<string, Operation>
