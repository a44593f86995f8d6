import { z } from 'zod'

/** A resource's name: lower-case letters, digits and dashes, as in a DNS label (RFC 1123). */
export const resourceName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'must be 1 to 63 lower-case letters, digits and dashes, not at an end',
  )
  .meta({ description: 'Name, unique among the resources of its kind.', example: 'web-1' })

/** A name that also becomes a network interface, so the kernel's 15 bytes hold it. */
export const deviceName = resourceName.max(15, 'must be at most 15 characters: it names a device')

/** A MAC address of one station, six hexadecimal bytes. */
export const macAddress = z
  .string()
  .regex(
    /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/,
    'must be six hexadecimal bytes such as 52:54:00:12:34:56',
  )
  .refine((mac) => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0, 'must not be a multicast MAC')
  .overwrite((mac) => mac.toLowerCase())
