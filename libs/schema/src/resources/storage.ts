import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { schedule } from '../work/schedule.ts'
import { manifestOf } from './envelope.ts'

/** Reports each name that a list gives twice, at its place. */
function unique<Item>(
  nameOf: (item: Item) => string,
  field: string,
): (items: readonly Item[], context: z.RefinementCtx) => void {
  return (items, context) => {
    for (const [index, item] of items.entries()) {
      if (items.findIndex((other) => nameOf(other) === nameOf(item)) === index) continue
      const path = field === '' ? [index] : [index, field]
      context.addIssue({ code: 'custom', path, message: `${nameOf(item)} is named twice` })
    }
  }
}

const server = resourceName
const rack = z.strictObject({
  rack: resourceName,
  servers: z.array(server).max(20, 'a rack has at most 20 servers'),
})
const room = z.strictObject({
  room: resourceName,
  racks: z
    .array(rack)
    .max(100, 'a room has at most 100 racks')
    .superRefine(unique(({ rack }) => rack, 'rack')),
})
const root = z.strictObject({
  datacenter: resourceName,
  rooms: z
    .array(room)
    .max(100, 'a data centre has at most 100 rooms')
    .superRefine(unique(({ room }) => room, 'room')),
})

/** Where disks stand, for fault domains. */
export const topologySpec = z
  .strictObject({
    roots: z
      .array(root)
      .max(2, 'there are at most 2 data centres')
      .superRefine(unique(({ datacenter }) => datacenter, 'datacenter')),
  })
  .superRefine(({ roots }, context) => {
    const seen = new Set<string>()
    for (const [path, name] of serversOf(roots)) {
      if (seen.has(name)) {
        const message = `${name} is named twice; a server stands in one rack`
        context.addIssue({ code: 'custom', path, message })
      }
      seen.add(name)
    }
  })
  .meta({ id: 'TopologySpec' })
export type TopologySpec = z.infer<typeof topologySpec>
export const topology = manifestOf('Topology', topologySpec)

function serversOf(
  roots: readonly z.infer<typeof root>[],
): readonly (readonly [path: PropertyKey[], name: string])[] {
  return roots.flatMap(({ rooms }, i) =>
    rooms.flatMap(({ racks }, j) =>
      racks.flatMap(({ servers }, k) =>
        servers.map(
          (name, l) => [['roots', i, 'rooms', j, 'racks', k, 'servers', l], name] as const,
        ),
      ),
    ),
  )
}

const ERASURE = /^(\d{1,3})\+(\d{1,3})(?::(\d{1,3}))?$/
/** What the block engine codes: `SHARDS_MAX` of its crate and the bounds of its policies. */
const DATA_SHARDS_MAX = 16
const PARITY_SHARDS_MAX = 4

function checkErasure(policy: string, context: z.RefinementCtx): void {
  const match = ERASURE.exec(policy)
  if (match === null) return
  const [data = 0, parity = 0, failures = parity] = match
    .slice(1)
    .flatMap((text) => (text === undefined ? [] : [Number(text)]))
  const wrong =
    data < 2 || data > DATA_SHARDS_MAX
      ? `K is ${data} and must be 2 to ${DATA_SHARDS_MAX}`
      : parity < 1 || parity > PARITY_SHARDS_MAX
        ? `M is ${parity} and must be 1 to ${PARITY_SHARDS_MAX}`
        : failures < 1 || failures > parity
          ? `B is ${failures} and must be 1 to ${parity}, the parity shards`
          : undefined
  if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong })
}

const redundancy = z.union([
  z.strictObject({
    erasure: z
      .string()
      .regex(ERASURE, 'must be K+M or K+M:B such as 4+2 or 4+2:1')
      .superRefine(checkErasure),
  }),
  z.strictObject({ replicas: z.number().int().min(1).max(6) }),
])

const diskFile = {
  name: resourceName,
  path: z
    .string()
    .min(1)
    .meta({ description: 'A file or block device, relative to the manifest.' }),
  sizeGiB: z.number().positive().optional(),
} as const

const media = z.enum(['hdd', 'ssd', 'nvme']).meta({
  description: 'What the disk is made of; absent: as the host finds it.',
})

const diskUse = z.enum(['normal', 'evacuated', 'maintenance']).meta({
  description:
    'evacuated: it is emptied and stays in the pool; maintenance: no operation goes to it and ' +
    'nothing moves because of it. Absent: normal.',
})

export const storagePoolSpec = z
  .strictObject({
    engine: z.enum(['local', 'ceph']).default('local'),
    redundancy,
    faultDomain: z.enum(['disk', 'server', 'rack', 'room']).default('disk'),
    disks: z
      .array(
        z.strictObject({
          ...diskFile,
          server,
          media: media.optional(),
          use: diskUse.optional(),
          replaces: resourceName.optional().meta({
            description:
              'The disk whose place it takes; that one is emptied, or given up where it is missing.',
          }),
        }),
      )
      .superRefine(unique(({ name }) => name, 'name'))
      .default([]),
    expand: z
      .enum(['newGroup', 'rebalance'])
      .optional()
      .meta({
        description:
          'What becomes of further disks. newGroup: new data goes to them, nothing moves; ' +
          'rebalance: all disks are filled evenly. Absent: rebalance.',
      }),
    rebalance: z
      .enum(['automatic', 'paused'])
      .optional()
      .meta({
        description:
          'paused: stripes that are safe where they are do not move; what was lost is rebuilt all ' +
          'the same. Absent: automatic.',
      }),
    cache: z
      .strictObject({
        devices: z.array(z.strictObject(diskFile)).min(1).max(2),
        mode: z.enum(['writethrough', 'writeback', 'pass-through']).default('writethrough'),
        dirtyPercent: z
          .number()
          .int()
          .min(1)
          .max(90)
          .optional()
          .meta({
            description:
              'How much of the cache may be dirty in writeback, from the next start of the daemon. ' +
              'Absent: 70.',
          }),
        force: z.boolean().optional().meta({
          description: 'Writeback on devices too that have not passed purlin cache flush-test.',
        }),
      })
      .optional(),
    recovery: z
      .strictObject({ speed: z.enum(['low', 'medium', 'high']).default('low') })
      .prefault({}),
    scrub: z
      .strictObject({
        everyHours: z.number().int().min(1).default(24),
        deepEveryDays: z.number().int().min(1).default(7),
        busy: z
          .array(schedule)
          .max(16)
          .default([])
          .meta({ description: 'Windows in which no deep scrub begins.' }),
      })
      .prefault({}),
    capacity: z
      .strictObject({
        warnAtPercent: z
          .array(z.number().int().min(1).max(100))
          .min(1)
          .max(8)
          .default([80, 90, 95])
          .meta({ description: 'Fill of the disks at which it is told; the highest is critical.' }),
        provisionAtMost: z.number().positive().optional().meta({
          description:
            'How many times what it can hold its volumes may have together; absent: no limit.',
        }),
      })
      .prefault({}),
  })
  .superRefine(({ redundancy, faultDomain }, context) => {
    if (faultDomain !== 'disk' || !('erasure' in redundancy)) return
    const [, , parity, failures] = ERASURE.exec(redundancy.erasure) ?? []
    // With B above half of M a domain still gets one shard: that is no folding.
    if (failures === undefined || Number(parity) < 2 * Number(failures)) return
    context.addIssue({
      code: 'custom',
      path: ['faultDomain'],
      message:
        'must be server, rack or room: a folded policy puts several shards into one fault domain',
    })
  })
  .meta({ id: 'StoragePoolSpec' })
export type StoragePoolSpec = z.infer<typeof storagePoolSpec>
export const storagePool = manifestOf('StoragePool', storagePoolSpec)

export const volumeSpec = z
  .strictObject({
    pool: resourceName,
    sizeGiB: z.number().positive().optional(),
    source: z
      .strictObject({ snapshot: resourceName, clone: z.enum(['independent', 'linked']) })
      .optional(),
    qos: z
      .strictObject({
        iops: z.number().int().positive().optional(),
        iopsBurst: z.number().int().positive().optional(),
        readMiBps: z.number().positive().optional(),
        writeMiBps: z.number().positive().optional(),
        burstSeconds: z.number().positive().optional(),
      })
      .optional(),
  })
  .superRefine((spec, context) => {
    if (spec.sizeGiB === undefined && spec.source === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['sizeGiB'],
        message: 'is needed where there is no source',
      })
    }
  })
  .meta({ id: 'VolumeSpec' })
export const volume = manifestOf('Volume', volumeSpec)

export const snapshotSpec = z.strictObject({ volume: resourceName }).meta({ id: 'SnapshotSpec' })
export const snapshot = manifestOf('Snapshot', snapshotSpec)
