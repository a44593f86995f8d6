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
