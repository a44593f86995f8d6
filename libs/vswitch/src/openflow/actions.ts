import type { FlowAction } from '../flows/flow.ts'
import { fieldHeader, writeField } from './match.ts'
import type { Writer } from './writer.ts'

const OUTPUT = 0
const PUSH_VLAN = 17
const POP_VLAN = 18
const SET_FIELD = 25
/** Actions of Open vSwitch's own (ovs-actions(7)); the vendor is Nicira's number. */
const VENDOR = 0xffff
const NICIRA = 0x0000_2320
const MOVE = 6
const RESUBMIT = 14
const CONJUNCTION = 34
const TRACK = 35
const CLONE = 42

const PORT_IN_8_BITS = 0xfff8
const PORT_NORMAL = 0xffff_fffa
const WHOLE_PACKET = 0xffff
const VLAN_PRESENT = 0x1000
const TPID = 0x8100
const NO_TABLE = 0xff

/** Offset 0 and 16 bits, as Open vSwitch writes a part of a field. */
const LOW_16_BITS = 15
const LOW_12_BITS = 12

/** Writes actions one after the other. Errors: RangeError for a port that is still a name. */
export function writeActions(writer: Writer, actions: readonly FlowAction[]): void {
  for (const action of actions) writeAction(writer, action)
}

function writeAction(writer: Writer, action: FlowAction): void {
  switch (action.do) {
    case 'drop':
      return
    case 'set':
      setField(writer, action.register, BigInt(action.value))
      return
    case 'write':
      setField(writer, action.field, action.value)
      return
    case 'set-tunnel':
      setField(writer, 'tun_id', BigInt(action.key))
      return
    case 'set-network-from-tag':
      own(writer, MOVE, () => {
        writer.u16(LOW_12_BITS).u16(0).u16(0)
        writer.u32(fieldHeader('vlan_vid')).u32(fieldHeader('reg5'))
      })
      return
    case 'go':
      own(writer, RESUBMIT, () => {
        writer.u16(PORT_IN_8_BITS).u8(action.table).zeros(3)
      })
      return
    case 'track':
      track(writer, 0, action.table)
      return
    case 'commit':
      track(writer, 1, NO_TABLE)
      return
    case 'conjunction':
      own(writer, CONJUNCTION, () => {
        writer
          .u8(action.clause - 1)
          .u8(action.of)
          .u32(action.id)
      })
      return
    case 'untag':
      writer.u16(POP_VLAN).u16(8).zeros(4)
      return
    case 'tag':
      writer.u16(PUSH_VLAN).u16(8).u16(TPID).zeros(2)
      setField(writer, 'vlan_vid', BigInt(VLAN_PRESENT | action.vlan))
      return
    case 'output':
      if (typeof action.port === 'string') {
        throw new RangeError(`the port to send to is still a name: ${action.port}`)
      }
      output(writer, action.port)
      return
    case 'normal':
      output(writer, PORT_NORMAL)
      return
    case 'copy':
      own(writer, CLONE, () => {
        writer.zeros(6)
        writeActions(writer, action.actions)
      })
      return
  }
}

function output(writer: Writer, port: number): void {
  writer.u16(OUTPUT).u16(16).u32(port).u16(WHOLE_PACKET).zeros(6)
}

function setField(writer: Writer, field: Parameters<typeof fieldHeader>[0], value: bigint): void {
  const start = writer.length
  writer.u16(SET_FIELD).u16(0)
  writeField(writer, { field, value })
  writer.padFrom(start)
  writer.setU16(start + 2, writer.length - start)
}

/** Connection tracking in the zone that register 6 holds. */
function track(writer: Writer, flags: number, table: number): void {
  own(writer, TRACK, () => {
    writer.u16(flags).u32(fieldHeader('reg6')).u16(LOW_16_BITS).u8(table).zeros(3).u16(0)
  })
}

/** One of Open vSwitch's own actions: its head, its body, padded, its length. */
function own(writer: Writer, subtype: number, body: () => void): void {
  const start = writer.length
  writer.u16(VENDOR).u16(0).u32(NICIRA).u16(subtype)
  body()
  writer.padFrom(start)
  writer.setU16(start + 2, writer.length - start)
}
