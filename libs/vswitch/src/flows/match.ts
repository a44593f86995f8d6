import type { FieldMatch } from './flow.ts'

const VLAN_PRESENT = 0x1000n

/** A MAC address as a number. */
export function macValue(mac: string): bigint {
  return BigInt(`0x${mac.replaceAll(':', '')}`)
}

/** Frames of a VLAN; 0: those without a tag. */
export function vlanMatch(vlan: number): FieldMatch {
  return { field: 'vlan_vid', value: vlan === 0 ? 0n : VLAN_PRESENT | BigInt(vlan) }
}
