import { Writer } from './writer.ts'

const PACKET_OUT = 13
const NO_BUFFER = 0xffff_ffff
const OUTPUT = 0
const OUTPUT_BYTES = 16
/** The ports that stand for the bridge's own flow tables, and for whoever speaks OpenFlow to it. */
const PORT_TABLE = 0xffff_fff9
const PORT_CONTROLLER = 0xffff_fffd

/** A message that hands a frame to a bridge (OpenFlow 1.4 section 7.3.6): `in` to its flows, as if
 *  the frame had come in by the port; `out` to the port itself, past all flows. */
export function packetOut(
  port: number,
  frame: Uint8Array,
  way: 'in' | 'out',
): { readonly type: number; readonly body: Buffer } {
  const [from, to] = way === 'in' ? [port, PORT_TABLE] : [PORT_CONTROLLER, port]
  const writer = new Writer(40 + frame.length)
  writer.u32(NO_BUFFER).u32(from).u16(OUTPUT_BYTES).zeros(6)
  writer.u16(OUTPUT).u16(OUTPUT_BYTES).u32(to).u16(0).zeros(6)
  return { type: PACKET_OUT, body: writer.raw(frame).taken() }
}
