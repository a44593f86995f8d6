import { z } from 'zod'
import { cidr, ipAddress } from '../fields/addresses.ts'
import { macAddress, resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

export const deploymentNetworkSpec = z
  .strictObject({
    interface: z.string().min(1).max(15),
    subnet: z.strictObject({ cidr, from: ipAddress, to: ipAddress, gateway: ipAddress.optional() }),
    enrolUnknown: z.boolean().default(false),
  })
  .meta({ id: 'DeploymentNetworkSpec' })
export const deploymentNetwork = manifestOf('DeploymentNetwork', deploymentNetworkSpec)

export const secretSpec = z
  .strictObject({
    username: z.string().optional(),
    passwordFile: z
      .string()
      .min(1)
      .meta({ description: 'Relative to the manifest; never sent on.' }),
  })
  .meta({ id: 'SecretSpec' })
export const secret = manifestOf('Secret', secretSpec)

export const chassisSpec = z
  .strictObject({
    bmc: z.strictObject({
      protocol: z.enum(['ipmi', 'redfish']),
      address: z.string().min(1),
      port: z.number().int().min(1).max(65_535).optional(),
      secret: resourceName,
    }),
    bootMac: macAddress,
    firmware: z.enum(['bios', 'uefi']).default('uefi'),
    network: resourceName,
  })
  .meta({ id: 'ChassisSpec' })
export const chassis = manifestOf('Chassis', chassisSpec)

export const installMediaSpec = z
  .strictObject({
    family: z.string().min(1),
    version: z.string().min(1),
    iso: z.string().min(1),
    sha256: z
      .string()
      .regex(/^([0-9a-f]{64})?$/, 'must be 64 hexadecimal digits, or empty')
      .default(''),
  })
  .meta({ id: 'InstallMediaSpec' })
export const installMedia = manifestOf('InstallMedia', installMediaSpec)

const filesystem = { filesystem: z.string().min(1), mount: z.string().startsWith('/') } as const
const partition = z.strictObject({
  sizeMiB: z.number().int().positive().optional(),
  grow: z.boolean().optional(),
  lvm: resourceName.optional(),
  filesystem: filesystem.filesystem.optional(),
  mount: filesystem.mount.optional(),
})
const logicalVolume = z.strictObject({
  name: resourceName,
  sizeGiB: z.number().positive().optional(),
  grow: z.boolean().optional(),
  ...filesystem,
})
const diskMatch = z.strictObject({
  serial: z.string().optional(),
  wwn: z.string().optional(),
  smallest: z.boolean().optional(),
  largest: z.boolean().optional(),
  minSizeGiB: z.number().positive().optional(),
  maxSizeGiB: z.number().positive().optional(),
})

export const deploymentTemplateSpec = z
  .strictObject({
    locale: z.string().default('en_US.UTF-8'),
    timezone: z.string().default('Etc/UTC'),
    users: z
      .array(
        z.strictObject({
          name: z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/),
          passwordHashFile: z.string().optional(),
          sshKeys: z.array(z.string()).default([]),
          sudo: z.boolean().default(false),
        }),
      )
      .default([]),
    disks: z
      .array(
        z.strictObject({
          match: diskMatch,
          table: z.enum(['gpt', 'mbr']).default('gpt'),
          partitions: z.array(partition).min(1),
        }),
      )
      .min(1),
    lvm: z
      .array(z.strictObject({ group: resourceName, volumes: z.array(logicalVolume).min(1) }))
      .default([]),
    network: z
      .strictObject({
        bonds: z
          .array(
            z.strictObject({
              name: z.string().min(1).max(15),
              mode: z.enum(['active-backup', 'balance-xor', '802.3ad']),
              members: z.array(z.strictObject({ mac: macAddress })).min(1),
            }),
          )
          .default([]),
        addresses: z
          .array(
            z.strictObject({
              interface: z.string().min(1).max(15),
              cidr: z.string().regex(/^[0-9a-fA-F:.]+\/\d{1,3}$/, 'must be ADDRESS/LENGTH'),
              gateway: ipAddress.optional(),
            }),
          )
          .default([]),
        dns: z.array(ipAddress).default([]),
      })
      .prefault({}),
    packages: z.array(z.string().min(1)).default([]),
    monitoring: z.boolean().default(true),
  })
  .meta({ id: 'DeploymentTemplateSpec' })
export const deploymentTemplate = manifestOf('DeploymentTemplate', deploymentTemplateSpec)

export const bareMetalInstanceSpec = z
  .strictObject({
    chassis: resourceName,
    template: resourceName,
    source: z.union([
      z.strictObject({ media: resourceName }),
      z.strictObject({ image: resourceName }),
    ]),
  })
  .meta({ id: 'BareMetalInstanceSpec' })
export const bareMetalInstance = manifestOf('BareMetalInstance', bareMetalInstanceSpec)
