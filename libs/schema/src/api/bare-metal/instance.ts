import { z } from 'zod'
import { eraseDepth } from '../../resources/bare-metal/instance.ts'

export const releaseRequest = z
  .strictObject({
    erase: eraseDepth.optional().meta({ description: 'Absent: as the instance says.' }),
  })
  .meta({ id: 'ReleaseRequest' })
export type ReleaseRequest = z.input<typeof releaseRequest>

const sizeMiB = z.number().int()

/** Where one thing of the layout stands: sizes in MiB. */
const plannedPart = z.strictObject({
  name: z.string().meta({ example: 'partition 2, volume sys/root' }),
  sizeMiB,
  content: z.string().meta({ example: 'ext4 on /' }),
})

/** What an installation would do, checked before the power goes on. Secrets (hashes, tokens) are
 *  replaced by ***. */
export const installationPlan = z
  .strictObject({
    chassis: z.string(),
    template: z.string(),
    source: z.string().meta({ example: 'media debian-13' }),
    report: z.number().int().optional().meta({ description: 'Held against this report.' }),
    target: z.string().optional().meta({ description: 'Whose answers.', example: 'debian-13' }),
    problems: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .meta({ description: 'Why it cannot be installed; empty: it can.' }),
    disks: z.array(
      z.strictObject({
        disk: z.string().meta({ description: 'Name under /dev/disk/by-id.' }),
        model: z.string().optional(),
        sizeMiB,
        table: z.enum(['gpt', 'mbr']),
        boot: z.boolean(),
        parts: z.array(plannedPart),
      }),
    ),
    arrays: z.array(plannedPart),
    volumes: z.array(plannedPart),
    network: z.array(
      z.strictObject({
        interface: z.string(),
        kind: z.enum(['nic', 'bond', 'vlan']),
        of: z.array(z.string()).meta({ description: 'MACs of NICs and members, or the parent.' }),
        vlan: z.number().int().optional(),
        addresses: z.array(z.string()),
        gateway: z.string().optional(),
      }),
    ),
    kernelArguments: z.string().optional().meta({
      description: 'Of an installer’s kernel; server, token and consoles are those of its boot.',
    }),
    files: z.array(z.strictObject({ name: z.string(), text: z.string() })).meta({
      description: 'Answer file and scripts as the node would get them.',
    }),
    steps: z.array(z.string()).meta({ description: 'Of the image path; empty for an installer.' }),
  })
  .meta({ id: 'InstallationPlan' })
export type InstallationPlan = z.infer<typeof installationPlan>

export const templateCheckQuery = z.strictObject({
  chassis: z.string().min(1).max(63),
  media: z.string().min(1).max(63).optional(),
  image: z.string().min(1).max(63).optional(),
})
