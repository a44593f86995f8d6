import { Writer } from './writer.ts'

const PACKET_OUT = 13
const NO_BUFFER = 0xffff_ffff
const OUTPUT = 0
const OUTPUT_BYTES = 16
/** The port that stands for the bridge's own flow tables. */
const PORT_TABLE = 0xffff_fff9

/** A message that hands a frame to a bridge's flows as if it had come in by the port (OpenFlow 1.4
 *  section 7.3.6). */
export function packetOut(
  inPort: number,
  frame: Uint8Array,
): { readonly type: number; readonly body: Buffer } {
  const writer = new Writer(40 + frame.length)
  writer.u32(NO_BUFFER).u32(inPort).u16(OUTPUT_BYTES).zeros(6)
  writer.u16(OUTPUT).u16(OUTPUT_BYTES).u32(PORT_TABLE).u16(0).zeros(6)
  return { type: PACKET_OUT, body: writer.raw(frame).taken() }
}
