import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

const server = resourceName
const rack = z.strictObject({ rack: resourceName, servers: z.array(server).min(1) })
const room = z.strictObject({ room: resourceName, racks: z.array(rack).min(1) })
const root = z.strictObject({ datacenter: resourceName, rooms: z.array(room).min(1) })

/** Where disks stand, for fault domains. */
export const topologySpec = z
  .strictObject({ roots: z.array(root).min(1) })
  .meta({ id: 'TopologySpec' })
export const topology = manifestOf('Topology', topologySpec)

const redundancy = z.union([
  z.strictObject({
    erasure: z
      .string()
      .regex(/^\d{1,3}\+\d{1,3}(:\d{1,3})?$/, 'must be K+M or K+M:B such as 4+2 or 4+2:1'),
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

export const storagePoolSpec = z
  .strictObject({
    engine: z.enum(['local', 'ceph']).default('local'),
    redundancy,
    faultDomain: z.enum(['disk', 'server', 'rack', 'room']).default('disk'),
    disks: z.array(z.strictObject({ ...diskFile, server })).default([]),
    cache: z
      .strictObject({
        devices: z.array(z.strictObject(diskFile)).min(1).max(2),
        mode: z.enum(['writethrough', 'writeback', 'pass-through']).default('writethrough'),
      })
      .optional(),
    recovery: z
      .strictObject({ speed: z.enum(['low', 'medium', 'high']).default('low') })
      .prefault({}),
    scrub: z
      .strictObject({
        everyHours: z.number().int().min(1).default(24),
        deepEveryDays: z.number().int().min(1).default(7),
      })
      .prefault({}),
  })
  .meta({ id: 'StoragePoolSpec' })
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
