import { z } from 'zod'
import { macAddress } from '../fields/names.ts'

/** A word of the hardware’s own: printable, bounded, never trusted. */
export const hardwareWord = z
  .string()
  .max(256)
  .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]*$/u, 'must be one line without control characters')
const kernelName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._!:-]{0,31}$/, 'must be a device name')
export const pciAddress = z
  .string()
  .regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/, 'must be as 0000:00:1f.2')
const count = z.number().int().min(0).max(65_536)

/** A disk as the kernel shows it. */
export const reportedDisk = z.strictObject({
  name: kernelName.meta({ description: 'The kernel’s name at discovery; it changes by boot.' }),
  serial: hardwareWord.optional(),
  wwn: hardwareWord.optional(),
  vendor: hardwareWord.optional(),
  model: hardwareWord.optional(),
  sizeBytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  logicalBlockBytes: z.union([z.literal(512), z.literal(4_096)]).default(512),
  media: z.enum(['ssd', 'hdd']),
  transport: z.enum(['nvme', 'sata', 'sas', 'virtio', 'usb', 'other']),
  removable: z.boolean().default(false),
  readOnly: z.boolean().default(false),
  links: z
    .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:+=@-]{0,254}$/, 'must be a by-id name'))
    .max(32)
    .default([])
    .meta({ description: 'Names under /dev/disk/by-id.' }),
})

/** A network device as the kernel shows it. */
export const reportedNic = z.strictObject({
  name: kernelName,
  mac: macAddress,
  driver: hardwareWord.optional(),
  pciAddress: pciAddress.optional(),
  link: z.boolean(),
  speedMbps: z.number().int().min(0).max(10_000_000).optional(),
  neighbour: z
    .strictObject({
      chassisId: hardwareWord,
      portId: hardwareWord,
      systemName: hardwareWord.optional(),
      portDescription: hardwareWord.optional(),
      vlan: z.number().int().min(0).max(4_095).optional(),
    })
    .optional()
    .meta({ description: 'The switch’s port by LLDP (IEEE 802.1AB).' }),
})

/** What a chassis said of itself from the discovery system. Bounded in every direction, because
 *  whoever holds a boot token may send it. */
export const discoveryReport = z
  .strictObject({
    version: z.literal(1),
    system: z.strictObject({
      uuid: z
        .string()
        .regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, 'must be a UUID')
        .overwrite((uuid) => uuid.toLowerCase())
        .optional(),
      serial: hardwareWord.optional(),
      manufacturer: hardwareWord.optional(),
      product: hardwareWord.optional(),
    }),
    firmware: z.strictObject({
      mode: z.enum(['bios', 'uefi']),
      vendor: hardwareWord.optional(),
      version: hardwareWord.optional(),
      releaseDate: hardwareWord.optional(),
      secureBoot: z.boolean().optional(),
    }),
    bmc: z
      .strictObject({
        manufacturerId: z.number().int().min(0).max(0xff_ff_ff).optional(),
        firmwareVersion: hardwareWord.optional(),
        address: hardwareWord.optional(),
        mac: macAddress.optional(),
      })
      .optional(),
    cpu: z.strictObject({
      architecture: z.enum(['x86_64', 'aarch64']),
      sockets: z
        .array(z.strictObject({ model: hardwareWord, cores: count, threads: count }))
        .min(1)
        .max(64),
    }),
    memory: z.strictObject({
      sizeMiB: z.number().int().min(1).max(268_435_456),
      modules: z
        .array(
          z.strictObject({
            slot: hardwareWord,
            sizeMiB: z.number().int().min(0).max(16_777_216),
            type: hardwareWord.optional(),
            speedMts: count.optional(),
            manufacturer: hardwareWord.optional(),
            partNumber: hardwareWord.optional(),
            serial: hardwareWord.optional(),
          }),
        )
        .max(256)
        .default([]),
    }),
    disks: z.array(reportedDisk).max(1_024),
    nics: z.array(reportedNic).max(256),
    gpus: z
      .array(
        z.strictObject({
          pciAddress,
          vendor: hardwareWord,
          model: hardwareWord,
          memoryMiB: z.number().int().min(0).max(16_777_216).optional(),
        }),
      )
      .max(64)
      .default([]),
    pci: z
      .array(
        z.strictObject({
          address: pciAddress,
          class: z.string().regex(/^[0-9a-f]{4,6}$/, 'must be a hexadecimal class'),
          vendorId: z.string().regex(/^[0-9a-f]{4}$/, 'must be four hexadecimal digits'),
          deviceId: z.string().regex(/^[0-9a-f]{4}$/, 'must be four hexadecimal digits'),
          description: hardwareWord.optional(),
          driver: hardwareWord.optional(),
        }),
      )
      .max(2_048)
      .default([]),
  })
  .meta({ id: 'DiscoveryReport' })

export type DiscoveryReport = z.output<typeof discoveryReport>
export type ReportedDisk = DiscoveryReport['disks'][number]
