import { z } from 'zod'
import { ipAddress } from '../../fields/addresses.ts'
import { macAddress, resourceName } from '../../fields/names.ts'
import { manifestOf, resourceStatus } from '../envelope.ts'
import { chassisLife } from './life.ts'

const bmc = z
  .strictObject({
    protocol: z.enum(['ipmi', 'redfish']),
    address: z.string().min(1),
    port: z.number().int().min(1).max(65_535).optional(),
    secret: resourceName,
    network: resourceName.optional().meta({
      description: 'An IpmiNetwork that the address must lie in.',
    }),
    cipher: z
      .union([z.literal(17), z.literal(3)])
      .optional()
      .meta({ description: 'IPMI’s cipher suite; absent: 17, then 3.' }),
    systemId: z.string().min(1).max(128).optional().meta({
      description: 'Redfish: which system, at a BMC of several.',
    }),
    certificateSha256: z
      .string()
      .regex(/^[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2}){31}$/, 'must be a SHA-256 in hexadecimal')
      .overwrite((text) => text.replaceAll(':', '').toLowerCase())
      .optional()
      .meta({ description: 'Redfish: the BMC’s certificate itself.' }),
    certificateAuthority: z.string().min(1).max(255).optional().meta({
      description: 'Redfish: PEM file, relative to the manifest, of who signed its certificate.',
    }),
    plainHttp: z.boolean().optional().meta({
      description: 'Redfish without TLS: the password is readable on the way. For simulators.',
    }),
  })
  .superRefine((spec, context) => {
    const refuse = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message })
    const redfishFields = [
      'systemId',
      'certificateSha256',
      'certificateAuthority',
      'plainHttp',
    ] as const
    if (spec.protocol === 'ipmi') {
      for (const field of redfishFields) {
        if (spec[field] !== undefined) refuse(field, 'goes with protocol redfish')
      }
      return
    }
    if (spec.cipher !== undefined) refuse('cipher', 'goes with protocol ipmi')
    const trusts = [
      spec.certificateSha256 !== undefined,
      spec.certificateAuthority !== undefined,
      spec.plainHttp === true,
    ].filter(Boolean)
    if (trusts.length !== 1) {
      const message = 'needs one of certificateSha256, certificateAuthority and plainHttp: true'
      refuse('protocol', `redfish ${message}`)
    }
  })

export const chassisSpec = z
  .strictObject({
    bmc,
    bootMac: macAddress,
    firmware: z.enum(['bios', 'uefi']).default('uefi'),
    network: resourceName,
    address: ipAddress.optional().meta({
      description: 'Its address on the deployment network; absent: a free one, kept.',
    }),
    identity: z
      .strictObject({
        trustMac: z
          .boolean()
          .default(false)
          .meta({
            description:
              'Where neither the machine nor its BMC tells a UUID or a serial number, the boot MAC ' +
              'decides which machine may be written to. A network card that was moved to another ' +
              'machine moves that right along.',
          }),
      })
      .optional(),
  })
  .meta({ id: 'ChassisSpec' })
export const chassis = manifestOf('Chassis', chassisSpec)

/** What a discovery report says, in a line. */
export const reportSummary = z
  .strictObject({
    id: z.number().int().min(1).meta({ description: 'Counts the reports of a chassis, from 1.' }),
    atMs: z.number().int(),
    manufacturer: z.string().optional(),
    product: z.string().optional(),
    serial: z.string().optional(),
    uuid: z.string().optional(),
    cpuThreads: z.number().int(),
    memoryMiB: z.number().int(),
    disks: z.number().int(),
    diskBytes: z.number().int(),
    nics: z.number().int(),
    gpus: z.number().int(),
  })
  .meta({ id: 'ReportSummary' })
export type ReportSummary = z.infer<typeof reportSummary>

export const chassisStatus = resourceStatus
  .extend({
    life: chassisLife.optional(),
    power: z.enum(['on', 'off', 'unknown']).optional(),
    powerReadAtMs: z.number().int().optional(),
    address: z.string().optional().meta({ description: 'Its address on the deployment network.' }),
    report: reportSummary.optional().meta({ description: 'The newest report.' }),
    bmc: z
      .strictObject({
        reachable: z.boolean(),
        message: z.string().optional(),
        atMs: z.number().int(),
      })
      .optional()
      .meta({ description: 'What the last call of its BMC gave.' }),
  })
  .meta({ id: 'ChassisStatus' })
export type ChassisStatus = z.infer<typeof chassisStatus>
