import type { Identity } from './bmc.ts'

/** What boards carry whose maker wrote no serial number. */
const NO_SERIALS = [
  /^[0.\-x\s]*$/i,
  /^0?123456789?0?$/,
  /^(n\/?a|none|null|unknown|not specified|unspecified)$/i,
  /^(default string|system serial number|to be filled by o\.?e\.?m\.?)$/i,
]

/** The three readings of 16 bytes: as they stand (RFC 9562), the first three fields turned (SMBIOS)
 *  and all turned (IPMI 2.0, 20.8). None for bytes that are all equal, which is no identity. */
export function uuidReadings(bytes: readonly number[]): readonly string[] {
  if (bytes.length !== 16 || bytes.every((byte) => byte === bytes[0])) return []
  const turned = (from: number, to: number): number[] => bytes.slice(from, to).reverse()
  const mixed = [...turned(0, 4), ...turned(4, 6), ...turned(6, 8), ...bytes.slice(8)]
  return [...new Set([bytes, mixed, bytes.toReversed()].map(written))]
}

/** The bytes of a written UUID; undefined for anything else. */
export function uuidBytes(text: string): readonly number[] | undefined {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return undefined
  return [...Buffer.from(text.replaceAll('-', ''), 'hex')]
}

/** Whether a text tells one machine from another. */
export function isSerial(text: string): boolean {
  return !NO_SERIALS.some((one) => one.test(text.trim()))
}

/** Whether the machine that calls itself so is the one of the BMC. `unknown` when they have nothing
 *  that can be compared. A UUID that differs decides, whatever the serial number says: serial
 *  numbers of boards and boxes are mixed up by repairs, UUIDs are not. */
export function compareIdentity(
  identity: Identity,
  machine: { readonly uuid?: string; readonly serial?: string },
): 'same' | 'other' | 'unknown' {
  const bytes = machine.uuid === undefined ? undefined : uuidBytes(machine.uuid)
  if (bytes !== undefined && identity.uuids.length > 0) {
    const readings = uuidReadings(bytes)
    if (readings.length > 0) {
      return readings.some((reading) => identity.uuids.includes(reading)) ? 'same' : 'other'
    }
  }
  const serial = machine.serial?.trim() ?? ''
  if (!isSerial(serial) || identity.serials.length === 0) return 'unknown'
  return identity.serials.includes(serial) ? 'same' : 'other'
}

function written(bytes: readonly number[]): string {
  const text = Buffer.from(bytes).toString('hex')
  return [0, 8, 12, 16, 20]
    .map((from, index, starts) => text.slice(from, starts[index + 1]))
    .join('-')
}
