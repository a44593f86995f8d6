import type { PowerState } from '../bmc.ts'

/** The power state of `ipmitool power status`; undefined for any other text. */
export function parsePowerState(text: string): PowerState | undefined {
  const state = /^Chassis Power is (on|off)\s*$/m.exec(text)?.[1]
  return state === 'on' || state === 'off' ? state : undefined
}

/** The bytes that `ipmitool raw` prints; undefined for a text that is anything else or longer. */
export function parseRawBytes(text: string, bytesMax: number): readonly number[] | undefined {
  if (!/^\s*([0-9a-f]{2}\s+)*[0-9a-f]{2}\s*$/i.test(text.slice(0, 4 * bytesMax + 16))) {
    return undefined
  }
  const bytes = text
    .trim()
    .split(/\s+/)
    .map((byte) => Number.parseInt(byte, 16))
  return bytes.length <= bytesMax ? bytes : undefined
}
