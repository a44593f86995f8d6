import { createHash } from 'node:crypto'

/** A multicast address of local administration: switches flood it, and none learns it. */
export const PROBE_MAC = '03:50:55:52:4c:4e'
/** Of IEEE 802, for local experiments. */
export const PROBE_TYPE = 0x88b5
const VLAN_TAG = 0x8100
const VLAN_MASK = 0xfff
const MAGIC = 0x5055_524c
const HEAD_BYTES = 6
const MAC_BYTES = 6

/** A frame of the probe is as small as it can be, or as large as the switch allows. */
export type ProbeSize = 'small' | 'full'

/** What a frame of the probe says of itself. */
export interface Probe {
  readonly run: string
  readonly host: string
  readonly uplink: string
  readonly vlan: number
  readonly size: ProbeSize
}

export interface ProbeForm {
  /** Bytes that the payload is filled up to. */
  readonly payloadBytes: number
  /** false: the VLAN is said by other means, as in a tunnel. */
  readonly tagged: boolean
}

/** The frame of a probe. Its source address is of the host and uplink, so that no switch sees one
 *  address at two places. Pure. */
export function probeFrame(one: Probe, { payloadBytes, tagged }: ProbeForm): Buffer {
  const text = Buffer.from(JSON.stringify(one))
  const source = createHash('sha256').update(`probe ${one.host} ${one.uplink}`).digest()
  source[0] = ((source[0] ?? 0) & 0xfc) | 0x02
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32BE(MAGIC)
  head.writeUInt16BE(text.length, 4)
  const payload = Buffer.concat([head, text])
  const filling = Buffer.alloc(Math.max(payloadBytes - payload.length, 0))
  return Buffer.concat([
    Buffer.from(PROBE_MAC.replaceAll(':', ''), 'hex'),
    source.subarray(0, MAC_BYTES),
    ...(tagged && one.vlan > 0 ? [number16(VLAN_TAG), number16(one.vlan)] : []),
    number16(PROBE_TYPE),
    payload,
    filling,
  ])
}

/** What a frame says, with the VLAN it really has (undefined: it has no tag); undefined for a frame
 *  that is no probe. Pure. */
export function readProbe(
  frame: Buffer,
): { readonly probe: Probe; readonly tag: number | undefined } | undefined {
  let at = 2 * MAC_BYTES
  if (frame.length < at + 4 + HEAD_BYTES) return undefined
  const isTagged = frame.readUInt16BE(at) === VLAN_TAG
  const tag = isTagged ? frame.readUInt16BE(at + 2) & VLAN_MASK : undefined
  if (isTagged) at += 4
  if (frame.readUInt16BE(at) !== PROBE_TYPE || frame.length < at + 2 + HEAD_BYTES) return undefined
  at += 2
  if (frame.readUInt32BE(at) !== MAGIC) return undefined
  const text = frame.toString('utf8', at + HEAD_BYTES, at + HEAD_BYTES + frame.readUInt16BE(at + 4))
  try {
    const probe: unknown = JSON.parse(text)
    return isProbe(probe) ? { probe, tag } : undefined
  } catch {
    return undefined
  }
}

function isProbe(value: unknown): value is Probe {
  const one = (value ?? {}) as Record<keyof Probe, unknown>
  const texts = [one.run, one.host, one.uplink].every((text) => typeof text === 'string')
  return texts && typeof one.vlan === 'number' && (one.size === 'small' || one.size === 'full')
}

function number16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}
