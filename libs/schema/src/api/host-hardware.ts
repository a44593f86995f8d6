import { z } from 'zod'
import {
  hardwareWord,
  pciAddress,
  reportedDisk,
  reportedNic,
} from '../resources/discovery-report.ts'

const count = z.number().int().min(0)

const numaNode = z.number().int().min(0).optional().meta({
  description: 'The NUMA node it hangs on; absent where the firmware does not say.',
})

/** Who has something of the host, as a sentence's subject: `machine web-1`. */
const users = z.array(z.string()).meta({
  description: 'Who has it now.',
  example: ['file system /'],
})

/** A NUMA node of the host. */
const hardwareNode = z.strictObject({
  node: count,
  cpus: z.string().meta({ description: 'Its processors.', example: '0-7,16-23' }),
  memoryMiB: count,
  hugePages: z.array(z.strictObject({ sizeKiB: count, count })),
  distances: z.array(count).meta({ description: 'To each node, in the order of nodes; 10: near.' }),
})

/** A disk of the host, in the words of a discovery report. */
const hardwareDisk = reportedDisk
  .omit({ links: true })
  .extend({ pciAddress: pciAddress.optional(), numaNode, users })

/** A network device of the host, in the words of a discovery report. */
const hardwareNic = reportedNic.omit({ neighbour: true }).extend({ mtu: count, numaNode, users })

/** A PCI device of the host, in the words of a discovery report. */
const hardwarePci = z.strictObject({
  address: pciAddress,
  class: z.string(),
  vendorId: z.string(),
  deviceId: z.string(),
  description: hardwareWord.optional(),
  driver: hardwareWord.optional(),
  numaNode,
  iommuGroup: count.optional().meta({
    description: 'Devices of a group go to one machine together; absent: no IOMMU is in use.',
  }),
  virtualFunctions: z
    .strictObject({ count, most: count })
    .optional()
    .meta({ description: 'SR-IOV: how many functions it has made, and how many it can make.' }),
  physicalFunction: pciAddress.optional().meta({
    description: 'SR-IOV: the device that made this function.',
  }),
  users,
  obstacle: z.string().optional().meta({
    description: 'Why it cannot be handed to a machine now; absent: it can.',
  }),
})

/** What a host is made of. */
export const hostHardware = z
  .strictObject({
    host: z.string(),
    readAtMs: z.number().int(),
    cpu: z.strictObject({
      architecture: z.string().meta({ example: 'x86_64' }),
      model: hardwareWord,
      sockets: count,
      cores: count,
      threads: count.meta({ description: 'Processors that are online.' }),
    }),
    memoryMiB: count,
    numa: z.array(hardwareNode),
    disks: z.array(hardwareDisk),
    nics: z.array(hardwareNic),
    gpus: z.array(
      z.strictObject({
        pciAddress,
        vendor: hardwareWord,
        model: hardwareWord,
        numaNode,
        driver: hardwareWord.optional(),
        users,
      }),
    ),
    pci: z.array(hardwarePci),
  })
  .meta({ id: 'HostHardware' })
export type HostHardware = z.infer<typeof hostHardware>
export type HardwareDisk = HostHardware['disks'][number]
export type HardwareNic = HostHardware['nics'][number]
export type HardwarePci = HostHardware['pci'][number]
