import { parseCidr } from '@purlin/base'
import { z } from 'zod'
import { cidr, ipAddress } from '../fields/addresses.ts'
import { macAddress, resourceName } from '../fields/names.ts'
import { checkTemplateNetwork } from './deployment-template-network.ts'
import { checkTemplateStorage } from './deployment-template-storage.ts'
import { manifestOf } from './envelope.ts'

/** A text that a person reads: no control characters, no line ends, no lone surrogates. */
const plainText = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]*$/u, 'must be one line without control characters')

const filesystem = z.enum(['ext4', 'xfs', 'vfat', 'swap'])
const mountPoint = z
  .string()
  .max(255)
  .regex(
    /^\/([A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?$/,
    'must be an absolute path of letters, digits, dots, dashes and underscores',
  )
const raidName = z
  .string()
  .regex(/^[a-z][a-z0-9]{0,14}$/, 'must be 1 to 15 lower-case letters and digits, a letter first')

/** What stands on a block device: a file system with its mount, swap, or a part of a group. */
const content = {
  filesystem: filesystem.optional(),
  mount: mountPoint.optional(),
  lvm: resourceName.optional(),
} as const
const partition = z.strictObject({
  sizeMiB: z.number().int().min(1).max(1_073_741_824).optional(),
  grow: z.boolean().optional(),
  raid: raidName.optional(),
  ...content,
})
const logicalVolume = z.strictObject({
  name: resourceName,
  sizeGiB: z.number().positive().max(1_048_576).optional(),
  grow: z.boolean().optional(),
  filesystem,
  mount: mountPoint.optional(),
})
const diskMatch = z.strictObject({
  serial: plainText.optional(),
  wwn: plainText.optional(),
  media: z.enum(['ssd', 'hdd']).optional(),
  smallest: z.boolean().optional(),
  largest: z.boolean().optional(),
  minSizeGiB: z.number().positive().optional(),
  maxSizeGiB: z.number().positive().optional(),
})

const interfaceName = z
  .string()
  .regex(/^[a-zA-Z][a-zA-Z0-9._-]{0,14}$/, 'must be 1 to 15 letters, digits, dots and dashes')
const mtu = z.number().int().min(576).max(9_216).optional()

const network = z
  .strictObject({
    nics: z
      .array(z.strictObject({ name: interfaceName, mac: macAddress, mtu }))
      .max(64)
      .default([])
      .meta({ description: 'Names for single NICs inside this template; nothing is renamed.' }),
    bonds: z
      .array(
        z.strictObject({
          name: interfaceName,
          mode: z.enum(['active-backup', 'balance-xor', '802.3ad']),
          members: z
            .array(z.strictObject({ mac: macAddress }))
            .min(1)
            .max(16),
          monitorMs: z.number().int().min(10).max(10_000).default(100),
          lacpRate: z.enum(['slow', 'fast']).optional(),
          transmitHash: z.enum(['layer2', 'layer2+3', 'layer3+4']).optional(),
          mtu,
        }),
      )
      .max(32)
      .default([]),
    vlans: z
      .array(
        z.strictObject({
          name: interfaceName.optional().meta({ description: 'PARENT.ID where absent.' }),
          parent: interfaceName,
          id: z.number().int().min(1).max(4_094),
          mtu,
        }),
      )
      .max(256)
      .default([]),
    addresses: z
      .array(
        z.strictObject({
          interface: interfaceName,
          cidr: z
            .string()
            .refine((text) => parseCidr(text) !== undefined, 'must be ADDRESS/LENGTH')
            .optional(),
          dhcp: z.boolean().optional(),
          gateway: ipAddress.optional(),
        }),
      )
      .max(256)
      .default([]),
    routes: z
      .array(
        z.strictObject({
          interface: interfaceName,
          to: cidr,
          via: ipAddress,
          metric: z.number().int().min(0).max(4_294_967_295).optional(),
        }),
      )
      .max(256)
      .default([]),
    dns: z.array(ipAddress).max(8).default([]),
    searchDomains: z
      .array(z.string().regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?)+$/, 'must be a domain'))
      .max(16)
      .default([]),
  })
  .prefault({})

const scriptFiles = z.array(plainText).max(16).default([])

export const deploymentTemplateSpec = z
  .strictObject({
    locale: z
      .string()
      .regex(/^[A-Za-z]{1,8}(_[A-Z]{2})?(\.[A-Za-z0-9-]{1,16})?$/, 'must be as en_US.UTF-8')
      .default('en_US.UTF-8'),
    timezone: z
      .string()
      .max(64)
      .regex(/^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+){0,2}$/, 'must be as Europe/Berlin')
      .default('Etc/UTC'),
    keyboard: z
      .string()
      .regex(/^[a-z]{2,8}$/, 'must be a layout such as us or de')
      .default('us'),
    proxy: z
      .string()
      .max(255)
      .regex(/^https?:\/\/[A-Za-z0-9.:[\]-]+\/?$/, 'must be http(s)://HOST[:PORT], no password')
      .optional(),
    users: z
      .array(
        z.strictObject({
          name: z
            .string()
            .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a login name of lower-case letters')
            .refine((name) => name !== 'root', 'must not be root: root stays locked; use sudo'),
          passwordHashFile: plainText.optional(),
          sshKeys: z.array(plainText).max(64).default([]),
          sudo: z.boolean().default(false),
        }),
      )
      .max(64)
      .default([]),
    disks: z
      .array(
        z.strictObject({
          match: diskMatch,
          table: z.enum(['gpt', 'mbr']).default('gpt'),
          partitions: z.array(partition).min(1).max(64),
        }),
      )
      .min(1)
      .max(64),
    raid: z
      .array(
        z.strictObject({
          name: raidName,
          level: z.union([z.literal(0), z.literal(1), z.literal(5), z.literal(6), z.literal(10)]),
          ...content,
        }),
      )
      .max(32)
      .default([]),
    lvm: z
      .array(
        z.strictObject({ group: resourceName, volumes: z.array(logicalVolume).min(1).max(64) }),
      )
      .max(32)
      .default([]),
    network,
    packages: z
      .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+._-]{0,127}$/, 'must be a package’s name'))
      .max(1_024)
      .default([]),
    scripts: z.strictObject({ before: scriptFiles, after: scriptFiles }).prefault({}).meta({
      description: 'Shell scripts, relative to the manifest: before disks are touched, and last.',
    }),
    monitoring: z.boolean().default(true),
  })
  .superRefine((spec, context) => {
    const tell = (path: readonly (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path: [...path], message })
    checkTemplateStorage(spec, tell)
    checkTemplateNetwork(spec.network, tell)
    const names = spec.users.map(({ name }) => name)
    names.forEach((name, index) => {
      if (names.indexOf(name) < index) {
        tell(['users', index, 'name'], `${name} is a user already; name each user once`)
      }
    })
  })
  .meta({ id: 'DeploymentTemplateSpec' })
export const deploymentTemplate = manifestOf('DeploymentTemplate', deploymentTemplateSpec)
