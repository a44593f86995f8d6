import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

/** Steps of a port's move between hosts, in order. */
export const movePhases = ['preparing', 'prepared', 'carried', 'opened'] as const
export type MovePhase = (typeof movePhases)[number]

/** The move of a port to another host, as far as it is. */
export const portMove = z
  .strictObject({
    from: resourceName,
    to: resourceName,
    phase: z.enum(movePhases).meta({
      description:
        'preparing: rules and port are made on the new host; prepared: the machine may leave the old one; carried: it has left, and its connections are on their way; opened: it may come up on the new host.',
    }),
    untilMs: z.number().int().meta({
      description: 'When a move whose machine has not left is given up; milliseconds since 1970.',
    }),
  })
  .meta({ id: 'PortMove' })
export type PortMove = z.infer<typeof portMove>

/** What a NIC was given, kept as long as the NIC lives: identity on the wire and names on the
 *  host. */
export const portSpec = z
  .strictObject({
    virtualMachine: resourceName,
    nic: resourceName,
    portGroup: resourceName,
    mac: z.string(),
    ipv4: z.array(z.string()),
    ipv6: z.array(z.string()),
    deviceKey: z
      .string()
      .meta({ description: 'Eight hexadecimal digits in the names of its devices.' }),
    conntrackZone: z.number().int().min(1).max(65_535),
    move: portMove.optional(),
  })
  .meta({ id: 'PortSpec' })
export type PortSpec = z.infer<typeof portSpec>

/** `MACHINE.NIC`. Written by the agent alone. */
export const portName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?\.[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'must be MACHINE.NIC')

export const port = manifestOf('Port', portSpec, portName)

/** The devices of a port on a host; the kernel's limit is 15 characters. */
export interface PortDevices {
  /** Made by libvirt when the machine starts. */
  readonly tap: string
  /** The port's own Linux bridge, on which nftables sees its frames. */
  readonly bridge: string
  /** Bridge side of the cable to the switch. */
  readonly inner: string
  /** Switch side of the cable. */
  readonly outer: string
}

/** Prefix of every tap that Purlin manages; nobody else may use it. */
export const TAP_PREFIX = 'ptap-'

/** Device names of a port, from its key. */
export function devicesOf(deviceKey: string): PortDevices {
  return {
    tap: `${TAP_PREFIX}${deviceKey}`,
    bridge: `pbr-${deviceKey}`,
    inner: `pin-${deviceKey}`,
    outer: `pout-${deviceKey}`,
  }
}
