import type { AddressFamily } from '@purlin/base'
import { protocolNumbers } from '../policy/protocol.ts'
import { bytesOf, formOfKey, readValue } from '../target/values.ts'
import type { Connection, ConnectionTuple } from './connection.ts'
import { errno, family, messageFlag, subsystem } from './constants.ts'
import { type Exchange, errorsOf } from './exchange.ts'
import { type Attributes, type Message, readMessages } from './reader.ts'
import type { CallOptions } from './socket.ts'
import { MessageWriter } from './writer.ts'

/** Numbers of `nfnetlink_conntrack.h`. */
const GET = (subsystem.conntrack << 8) | 1
const DELETE = (subsystem.conntrack << 8) | 2
const GET_STATISTICS = (subsystem.conntrack << 8) | 5
/** Entries of this network namespace, among its statistics. */
const ENTRIES = 1
const attribute = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  mark: 8,
  id: 12,
  zone: 18,
} as const
const tuple = { addresses: 1, protocol: 2, zone: 3 } as const
const part = {
  number: 1,
  sourcePort: 2,
  destinationPort: 3,
  icmp: { id: 4, type: 5, code: 6 },
  icmpv6: { id: 7, type: 8, code: 9 },
} as const

const ipv4 = formOfKey('ipv4_addr')
const ipv6 = formOfKey('ipv6_addr')
/** Deletions in one sending: their answers must fit into the receive buffer. */
const DELETIONS_AT_ONCE = 256
const LIST_DEADLINE_MS = 10_000

/** Entries of conntrack, of all zones or of these. Errors: PUR_NFT_UNREADABLE. */
export async function listConnections(
  exchange: Exchange,
  { zones }: { readonly zones?: ReadonlySet<number> } = {},
  options: CallOptions = {},
): Promise<readonly Connection[]> {
  const patient = { timeoutMs: LIST_DEADLINE_MS, ...options }
  const what = 'connections of this host'
  if ((await countConnections(exchange, patient)) === 0) return []
  const [single, ...others] = zones ?? []
  // Kernels since 6.8 leave the entries of other zones out by themselves; older ones ignore it.
  const fill = (writer: MessageWriter): void => {
    if (single !== undefined && others.length === 0) writer.u16(attribute.zone, single)
  }
  const messages = await exchange.dump(what, GET, family.unspecified, fill, patient)
  return messages.flatMap((message) => {
    const zone = zoneOf(message.attributes)
    if (zones !== undefined && !zones.has(zone)) return []
    const read = readConnection(message, zone)
    return read === undefined ? [] : [read]
  })
}

/** How many entries there are. A dump walks the whole table, which takes milliseconds even where it
 *  is empty; this number is kept by the kernel. Undefined where a kernel does not tell it. */
async function countConnections(
  exchange: Exchange,
  options: CallOptions,
): Promise<number | undefined> {
  const what = 'number of connections of this host'
  const [answer] = await exchange.ask(
    what,
    GET_STATISTICS,
    family.unspecified,
    () => undefined,
    options,
  )
  return answer?.attributes.u32(ENTRIES)
}

/** Deletes exactly these entries and gives how many there still were. Errors:
 *  PUR_NFT_UNREADABLE. */
export async function deleteConnections(
  exchange: Exchange,
  entries: readonly Connection[],
  options: CallOptions = {},
): Promise<number> {
  let deleted = 0
  for (let start = 0; start < entries.length; start += DELETIONS_AT_ONCE) {
    const some = entries.slice(start, start + DELETIONS_AT_ONCE)
    const first = exchange.take(some.length)
    const writer = new MessageWriter()
    some.forEach((entry, index) => {
      writeDeletion(writer, entry, first + index)
    })
    const last = first + some.length - 1
    const what = `deletion of ${some.length} connections`
    const answer = await exchange.send(what, writer.bytes(), first, last, 'batch', options)
    const errors = errorsOf(readMessages(answer.messages))
    deleted += errors.filter((error) => error.errno === 0).length
    const refused = errors.find((error) => error.errno !== 0 && error.errno !== errno.ENOENT)
    if (refused !== undefined) exchange.fail(what, refused)
  }
  return deleted
}

function writeDeletion(writer: MessageWriter, entry: Connection, sequence: number): void {
  const flags = messageFlag.request | messageFlag.ack
  const { original } = entry
  const start = writer.begin(DELETE, flags, sequence, family[original.family])
  writeTuple(writer, original)
  if (entry.zone !== 0) writer.u16(attribute.zone, entry.zone)
  writer.u32(attribute.id, entry.id)
  writer.end(start)
}

function writeTuple(writer: MessageWriter, one: ConnectionTuple): void {
  const nest = writer.nest(attribute.original)
  const form = one.family === 'ipv4' ? ipv4 : ipv6
  const [source, destination] = one.family === 'ipv4' ? [1, 2] : [3, 4]
  const addresses = writer.nest(tuple.addresses)
  writer.raw(source, bytesOf(one.source, form))
  writer.raw(destination, bytesOf(one.destination, form))
  writer.endNest(addresses)
  const protocol = writer.nest(tuple.protocol)
  writer.u8(part.number, one.protocol)
  if (one.icmp !== undefined) {
    const names = icmpParts(one.protocol)
    writer.u16(names.id, one.icmp.id)
    writer.u8(names.type, one.icmp.type)
    writer.u8(names.code, one.icmp.code)
  } else if (one.sourcePort !== undefined && one.destinationPort !== undefined) {
    writer.u16(part.sourcePort, one.sourcePort)
    writer.u16(part.destinationPort, one.destinationPort)
  }
  writer.endNest(protocol)
  writer.endNest(nest)
}

function icmpParts(protocol: number): typeof part.icmp | typeof part.icmpv6 {
  return protocol === protocolNumbers.icmpv6 ? part.icmpv6 : part.icmp
}

/** The entry's zone; where only one direction has one, it stands in that direction's tuple. */
function zoneOf(entry: Attributes): number {
  return (
    entry.u16(attribute.zone) ??
    entry.nested(attribute.original)?.u16(tuple.zone) ??
    entry.nested(attribute.reply)?.u16(tuple.zone) ??
    0
  )
}

function readConnection(
  { attributes, family: number }: Message,
  zone: number,
): Connection | undefined {
  const entryFamily = number === family.ipv6 ? 'ipv6' : 'ipv4'
  const original = readTuple(attributes.nested(attribute.original), entryFamily)
  const reply = readTuple(attributes.nested(attribute.reply), entryFamily)
  if (original === undefined || reply === undefined) return undefined
  const tcpState = attributes.nested(attribute.protocolInfo)?.nested(1)?.u8(1)
  return {
    zone,
    original,
    reply,
    id: attributes.u32(attribute.id) ?? 0,
    mark: attributes.u32(attribute.mark) ?? 0,
    status: attributes.u32(attribute.status) ?? 0,
    timeoutSeconds: attributes.u32(attribute.timeout) ?? 0,
    ...(tcpState !== undefined && { tcpState }),
  }
}

function readTuple(
  one: Attributes | undefined,
  entryFamily: AddressFamily,
): ConnectionTuple | undefined {
  const addresses = one?.nested(tuple.addresses)
  const protocol = one?.nested(tuple.protocol)
  const form = entryFamily === 'ipv4' ? ipv4 : ipv6
  const [from, to] = entryFamily === 'ipv4' ? [1, 2] : [3, 4]
  const [source, destination] = [addresses?.bytes(from), addresses?.bytes(to)]
  const number = protocol?.u8(part.number)
  if (source === undefined || destination === undefined || number === undefined) return undefined
  return {
    family: entryFamily,
    source: BigInt(readValue(source, form, 0)),
    destination: BigInt(readValue(destination, form, 0)),
    protocol: number,
    ...readParts(protocol, number),
  }
}

function readParts(protocol: Attributes | undefined, number: number): Partial<ConnectionTuple> {
  const names = icmpParts(number)
  const type = protocol?.u8(names.type)
  if (type !== undefined) {
    return {
      icmp: { type, code: protocol?.u8(names.code) ?? 0, id: protocol?.u16(names.id) ?? 0 },
    }
  }
  const [sourcePort, destinationPort] = [
    protocol?.u16(part.sourcePort),
    protocol?.u16(part.destinationPort),
  ]
  if (sourcePort === undefined || destinationPort === undefined) return {}
  return { sourcePort, destinationPort }
}
