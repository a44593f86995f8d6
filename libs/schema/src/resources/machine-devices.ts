import { z } from 'zod'

const RATE_MAX = 1_000_000_000_000
const BURST_SECONDS_MAX = 3_600

const rate = z
  .strictObject({
    perSecond: z.number().int().min(1).max(RATE_MAX),
    burst: z.number().int().min(1).max(RATE_MAX).optional().meta({
      description: 'So much a second for a while, from what was not used; absent: no bursts.',
    }),
    burstSeconds: z.number().int().min(1).max(BURST_SECONDS_MAX).optional().meta({
      description: 'How long a burst may last; absent: 1.',
    }),
  })
  .superRefine(({ perSecond, burst, burstSeconds }, context) => {
    if (burst !== undefined && burst < perSecond) {
      const message = `must be at least perSecond, which is ${perSecond}`
      context.addIssue({ code: 'custom', path: ['burst'], message })
    }
    if (burst === undefined && burstSeconds !== undefined) {
      const message = 'says how long a burst lasts, and there is no burst'
      context.addIssue({ code: 'custom', path: ['burstSeconds'], message })
    }
  })
  .meta({ id: 'DiskRateLimit' })

/** What a machine may use of a disk: requests or bytes a second. */
export const machineDiskLimits = z
  .strictObject({
    iops: rate.optional().meta({ description: 'Requests, of reading and writing together.' }),
    readIops: rate.optional(),
    writeIops: rate.optional(),
    bytes: rate.optional().meta({ description: 'Bytes, of reading and writing together.' }),
    readBytes: rate.optional(),
    writeBytes: rate.optional(),
  })
  .superRefine((limits, context) => {
    for (const [all, parts] of [
      ['iops', ['readIops', 'writeIops']],
      ['bytes', ['readBytes', 'writeBytes']],
    ] as const) {
      const part = parts.find((one) => limits[one] !== undefined)
      if (limits[all] === undefined || part === undefined) continue
      const message = `stands beside ${all}, which limits both together; name one or the other`
      context.addIssue({ code: 'custom', path: [part], message })
    }
  })
  .meta({ id: 'MachineDiskLimits' })
export type MachineDiskLimits = z.infer<typeof machineDiskLimits>

/** How many processors of a guest work on a device at a time. */
export const deviceQueues = z.number().int().min(1).max(64)

/** Memory comes and goes in pieces of so much while a machine runs. */
const MEMORY_STEP_MIB = 2

interface Sizes {
  readonly cpus: number
  readonly maximumCpus?: number | undefined
  readonly memoryMiB: number
  readonly maximumMemoryMiB?: number | undefined
  readonly disks: readonly {
    readonly attach: string
    readonly limits?: MachineDiskLimits | undefined
  }[]
}

/** What is wrong with the sizes and devices of a machine. Pure. */
export function sizeIssues(spec: Sizes): readonly { path: (string | number)[]; message: string }[] {
  const { cpus, maximumCpus = cpus, memoryMiB, maximumMemoryMiB } = spec
  const issues: { path: (string | number)[]; message: string }[] = []
  if (maximumCpus < cpus) {
    issues.push({ path: ['maximumCpus'], message: `must be at least cpus, which are ${cpus}` })
  }
  if (maximumMemoryMiB !== undefined && maximumMemoryMiB < memoryMiB) {
    const message = `must be at least memoryMiB, which is ${memoryMiB}`
    issues.push({ path: ['maximumMemoryMiB'], message })
  }
  for (const field of ['memoryMiB', 'maximumMemoryMiB'] as const) {
    const size = spec[field]
    if (maximumMemoryMiB === undefined || size === undefined || size % MEMORY_STEP_MIB === 0) {
      continue
    }
    const message = `must be a multiple of ${MEMORY_STEP_MIB}: memory comes in such pieces while a machine with maximumMemoryMiB runs`
    issues.push({ path: [field], message })
  }
  spec.disks.forEach(({ attach, limits }, index) => {
    if (attach !== 'vhost-user' || limits === undefined) return
    const message =
      'a disk by vhost-user does not pass through QEMU, which would keep the limits; set qos of its volume'
    issues.push({ path: ['disks', index, 'limits'], message })
  })
  return issues
}
