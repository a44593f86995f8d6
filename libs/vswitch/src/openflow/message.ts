import type { Flow, Meter } from '../flows/flow.ts'
import { writeActions } from './actions.ts'
import { writeMatch } from './match.ts'
import { Writer } from './writer.ts'

/** OpenFlow 1.4. */
export const VERSION = 5
export const HEADER_BYTES = 8

export const messageTypes = {
  hello: 0,
  error: 1,
  echoRequest: 2,
  echoReply: 3,
  setConfiguration: 9,
  packetIn: 10,
  packetOut: 13,
  flowMod: 14,
  multipartRequest: 18,
  multipartReply: 19,
  barrierRequest: 20,
  barrierReply: 21,
  meterMod: 29,
  bundleControl: 33,
  bundleAdd: 34,
} as const

export const flowCommands = { add: 0, deleteAll: 3, deleteOne: 4 } as const
export const meterCommands = { add: 0, modify: 1, delete: 2 } as const
export const bundleSteps = { open: 0, commit: 4, commitReply: 5, discard: 6 } as const
export const multipartTypes = { flow: 1, meter: 9, flowMonitor: 16 } as const

const ANY = 0xffff_ffff
const ALL_TABLES = 0xff
const APPLY_ACTIONS = 4
const METER = 6
/** All of a bundle or nothing, and in order. */
const BUNDLE_FLAGS = 0b11
/** Kilobits a second, with a burst, counted. */
const METER_FLAGS = 0b1101

/** One whole message. */
export function message(type: number, transaction: number, body?: Uint8Array): Buffer {
  const writer = new Writer(HEADER_BYTES + (body?.length ?? 0))
  writer
    .u8(VERSION)
    .u8(type)
    .u16(HEADER_BYTES + (body?.length ?? 0))
    .u32(transaction)
  if (body !== undefined) writer.raw(body)
  return writer.taken()
}

/** A flow with its numbers known: ports of the match and of actions are none of names. */
export interface NumberedFlow extends Flow {
  readonly cookie: bigint
  readonly meter?: number
}

/** The body of a message that adds the flow, or replaces the one of its table, priority and
 *  match. */
export function flowAddition(flow: NumberedFlow): Buffer {
  const writer = flowHead(flow.cookie, 0n, flow.table, flowCommands.add, flow.priority)
  writeMatch(writer, flow.match)
  if (flow.meter !== undefined) writer.u16(METER).u16(8).u32(flow.meter)
  const start = writer.length
  writer.u16(APPLY_ACTIONS).u16(0).zeros(4)
  writeActions(writer, flow.actions)
  writer.setU16(start + 2, writer.length - start)
  return writer.taken()
}

/** The body of a message that deletes that very flow. */
export function flowDeletion(flow: Pick<Flow, 'table' | 'priority' | 'match'>): Buffer {
  const writer = flowHead(0n, 0n, flow.table, flowCommands.deleteOne, flow.priority)
  writeMatch(writer, flow.match)
  return writer.taken()
}

/** The body of a message that deletes all flows of which the cookie's bits under `mask` are those
 *  of `cookie`. */
export function flowsDeletion(cookie: bigint, mask: bigint): Buffer {
  const writer = flowHead(cookie, mask, ALL_TABLES, flowCommands.deleteAll, 0)
  writeMatch(writer, [])
  return writer.taken()
}

/** The match of a flow as it is on the wire: with table and priority, what it is known by. */
export function matchBytes(match: Flow['match']): Buffer {
  const writer = new Writer(64)
  writeMatch(writer, match)
  return writer.taken()
}

/** The body of a message about a meter. */
export function meterChange(
  command: number,
  number: number,
  { kbitPerSecond, burstKbit }: Pick<Meter, 'kbitPerSecond' | 'burstKbit'>,
): Buffer {
  const writer = new Writer(24)
  writer.u16(command).u16(METER_FLAGS).u32(number)
  if (command !== meterCommands.delete) {
    writer.u16(1).u16(16).u32(kbitPerSecond).u32(burstKbit).zeros(4)
  }
  return writer.taken()
}

/** The body of a step of a bundle. */
export function bundleStep(bundle: number, step: number): Buffer {
  return new Writer(8).u32(bundle).u16(step).u16(BUNDLE_FLAGS).taken()
}

/** The body of a message that puts another into a bundle; both have the same transaction. */
export function bundleMember(bundle: number, member: Uint8Array): Buffer {
  return new Writer(8 + member.length).u32(bundle).zeros(2).u16(BUNDLE_FLAGS).raw(member).taken()
}

/** Asks for all flows. */
export function flowRequest(): Buffer {
  const writer = multipart(multipartTypes.flow)
  writer.u8(ALL_TABLES).zeros(3).u32(ANY).u32(ANY).zeros(4).u64(0n).u64(0n)
  writeMatch(writer, [])
  return writer.taken()
}

/** Asks for what all meters have counted. */
export function meterRequest(): Buffer {
  return multipart(multipartTypes.meter).u32(ANY).zeros(4).taken()
}

/** Asks to be told when flows are added, removed or changed. */
export function flowMonitorRequest(): Buffer {
  const added = 0b10
  const removed = 0b100
  const modified = 0b1000
  const writer = multipart(multipartTypes.flowMonitor)
  writer
    .u32(1)
    .u32(ANY)
    .u32(ANY)
    .u16(added | removed | modified)
    .u8(ALL_TABLES)
    .u8(0)
  writeMatch(writer, [])
  return writer.taken()
}

function multipart(type: number): Writer {
  return new Writer(64).u16(type).u16(0).zeros(4)
}

function flowHead(
  cookie: bigint,
  mask: bigint,
  table: number,
  command: number,
  priority: number,
): Writer {
  const noBuffer = 0xffff_ffff
  return new Writer(256)
    .u64(cookie)
    .u64(mask)
    .u8(table)
    .u8(command)
    .u16(0)
    .u16(0)
    .u16(priority)
    .u32(noBuffer)
    .u32(ANY)
    .u32(ANY)
    .u16(0)
    .u16(0)
}
