import { errno, family, messageFlag, subsystem } from './constants.ts'
import { Exchange, errorsOf, errorText } from './exchange.ts'
import { Attributes, type Message, readMessages } from './reader.ts'
import type { CallOptions } from './socket.ts'
import { MessageWriter } from './writer.ts'

const addressTypes = {
  ipv4: { source: 1, destination: 2 },
  ipv6: { source: 3, destination: 4 },
} as const
const portTypes = { source: 2, destination: 3 } as const
/** Of `nfnetlink_conntrack.h` as well: the bounds of a translation. */
const range = { ipv4: [1, 2], ipv6: [4, 5], protocol: 3, ports: [1, 2] } as const

/** Numbers of `nfnetlink_conntrack.h`. */
const NEW = subsystem.conntrack << 8
const GET = (subsystem.conntrack << 8) | 1
const attribute = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  sourceNat: 6,
  timeout: 7,
  mark: 8,
  destinationNat: 13,
  zone: 18,
  labels: 22,
} as const
const tuple = { addresses: 1, protocol: 2, zone: 3 } as const
const tcp = { info: 1, originalFlags: 4, replyFlags: 5 } as const
const NESTED = 0x8000
/** The window of a connection that is taken up in its middle is not known: the kernel is told to
 *  let it be (`IP_CT_TCP_FLAG_BE_LIBERAL`), in both directions. */
const LIBERAL = 0x08
const ALL_FLAGS = 0xff
/** `IPS_EXPECTED`: the entry hangs on another one, which is carried by itself. */
const EXPECTED = 0x1
/** `IPS_DYING`, `IPS_TEMPLATE`, `IPS_UNTRACKED` and `IPS_OFFLOAD`: of this kernel alone. */
const OF_THIS_KERNEL = 0x200 | 0x800 | 0x1000 | 0x4000 | 0x8000
const DEADLINE_MS = 10_000
/** Creations in one sending: their answers must fit into the receive buffer. */
const CREATIONS_AT_ONCE = 256

/** An entry of connection tracking as another host's kernel takes it: both directions, state of its
 *  protocol, translation, mark and the time it has left, and no zone. */
export interface CarriedConnection {
  /** Number of the protocol family. */
  readonly family: number
  /** Netlink attributes in base 64. */
  readonly attributes: string
}

/** What became of entries that were carried. */
export interface CarryOutcome {
  readonly created: number
  /** Entries that this kernel does not take, each with its reason. */
  readonly refused: readonly string[]
}

/** The entries of a zone, to be carried to another host. Errors: PUR_NFT_UNREADABLE. */
export async function readZone(
  zone: number,
  options: CallOptions = {},
): Promise<readonly CarriedConnection[]> {
  const exchange = new Exchange()
  try {
    const messages = await exchange.dump(
      `connections of zone ${zone}`,
      GET,
      family.unspecified,
      // Kernels since 6.8 leave other zones out by themselves; older ones ignore it.
      (writer) => writer.u16(attribute.zone, zone),
      { timeoutMs: DEADLINE_MS, ...options },
    )
    return messages.filter((message) => zoneOf(message.attributes) === zone).flatMap(carriedOf)
  } finally {
    exchange.close()
  }
}

/** Makes entries of another host in a zone of this one; an entry that is there stays. One that the
 *  kernel refuses is told and does not hold up the others. Errors: PUR_NFT_UNREADABLE. */
export async function createInZone(
  zone: number,
  entries: readonly CarriedConnection[],
  options: CallOptions = {},
): Promise<CarryOutcome> {
  const exchange = new Exchange()
  const refused: string[] = []
  try {
    for (let start = 0; start < entries.length; start += CREATIONS_AT_ONCE) {
      const some = entries.slice(start, start + CREATIONS_AT_ONCE)
      const first = exchange.take(some.length)
      const writer = new MessageWriter()
      some.forEach((entry, index) => {
        writeCreation(writer, entry, zone, first + index)
      })
      const what = `creation of ${some.length} connections in zone ${zone}`
      const last = first + some.length - 1
      const answer = await exchange.send(what, writer.bytes(), first, last, 'batch', {
        timeoutMs: DEADLINE_MS,
        ...options,
      })
      for (const error of errorsOf(readMessages(answer.messages))) {
        if (error.errno === 0 || error.errno === errno.EEXIST) continue
        refused.push(`${errorText(error.errno)} ${error.text}`.trim())
      }
    }
    return { created: entries.length - refused.length, refused }
  } finally {
    exchange.close()
  }
}

function writeCreation(
  writer: MessageWriter,
  entry: CarriedConnection,
  zone: number,
  sequence: number,
): void {
  const { request, ack, create, exclusive } = messageFlag
  const start = writer.begin(NEW, request | ack | create | exclusive, sequence, entry.family)
  new Attributes(Buffer.from(entry.attributes, 'base64')).each((type, content) => {
    writer.raw(nestedTypes.has(type) ? type | NESTED : type, content)
  })
  if (zone !== 0) writer.u16(attribute.zone, zone)
  writer.end(start)
}

const nestedTypes: ReadonlySet<number> = new Set([
  attribute.original,
  attribute.reply,
  attribute.protocolInfo,
  attribute.sourceNat,
  attribute.destinationNat,
])

/** The entry as it is created elsewhere; none for one that is at its end, or hangs on another. */
function carriedOf({ attributes, family: number }: Message): CarriedConnection[] {
  const status = attributes.u32(attribute.status) ?? 0
  const timeout = attributes.u32(attribute.timeout) ?? 0
  const original = attributes.nested(attribute.original)
  const reply = attributes.nested(attribute.reply)
  if (original === undefined || reply === undefined || timeout === 0) return []
  if ((status & EXPECTED) !== 0) return []
  const writer = new MessageWriter()
  writeTuple(writer, attribute.original, original)
  writeAnswer(writer, number, original, reply)
  writer.u32(attribute.timeout, timeout)
  writer.u32(attribute.status, (status & ~OF_THIS_KERNEL) >>> 0)
  const mark = attributes.u32(attribute.mark) ?? 0
  if (mark !== 0) writer.u32(attribute.mark, mark)
  const labels = attributes.bytes(attribute.labels)
  if (labels?.some((byte) => byte !== 0) === true) writer.raw(attribute.labels, labels)
  writeProtocol(writer, attributes.nested(attribute.protocolInfo))
  return [{ family: number, attributes: Buffer.from(writer.bytes()).toString('base64') }]
}

/** A direction without the zone it may have of its own. */
function writeTuple(writer: MessageWriter, type: number, one: Attributes): void {
  const start = writer.nest(type)
  for (const part of [tuple.addresses, tuple.protocol]) {
    const content = one.bytes(part)
    if (content !== undefined) writer.raw(part | NESTED, content)
  }
  writer.endNest(start)
}

/** State of TCP with its window scales, and flags with the mask by which they are taken over; other
 *  protocols as they are. */
function writeProtocol(writer: MessageWriter, protocols: Attributes | undefined): void {
  if (protocols === undefined) return
  const start = writer.nest(attribute.protocolInfo)
  protocols.each((type, content) => {
    if (type !== tcp.info) {
      writer.raw(type | NESTED, content)
      return
    }
    const inner = writer.nest(type)
    new Attributes(content).each((field, value) => {
      const isFlags = field === tcp.originalFlags || field === tcp.replyFlags
      writer.raw(field, isFlags ? Uint8Array.of((value[0] ?? 0) | LIBERAL, ALL_FLAGS) : value)
    })
    writer.endNest(inner)
  })
  writer.endNest(start)
}

/** An end of a direction. */
interface End {
  readonly address: Uint8Array | undefined
  readonly port: number | undefined
}

type Side = 'source' | 'destination'

function endOf(one: Attributes, side: Side, version: keyof typeof addressTypes): End {
  return {
    address: one.nested(tuple.addresses)?.bytes(addressTypes[version][side]),
    port: one.nested(tuple.protocol)?.u16(portTypes[side]),
  }
}

function isSame(one: End, other: End): boolean {
  if (one.address === undefined || other.address === undefined) return true
  return one.port === other.port && Buffer.compare(one.address, other.address) === 0
}

/** The answer's direction, and how the ends of the connection are translated. The kernel makes a
 *  translation anew from an answer that is not translated yet; given one that is, it takes the
 *  connection for one without. */
function writeAnswer(
  writer: MessageWriter,
  number: number,
  original: Attributes,
  reply: Attributes,
): void {
  const version = number === family.ipv6 ? 'ipv6' : 'ipv4'
  const asked = (side: Side): End => endOf(original, side, version)
  const answered = (side: Side): End => endOf(reply, side, version)
  const [sender, receiver] = [asked('source'), asked('destination')]
  const isPlain = isSame(sender, answered('destination')) && isSame(receiver, answered('source'))
  if (isPlain) {
    writeTuple(writer, attribute.reply, reply)
    return
  }
  const start = writer.nest(attribute.reply)
  const addresses = writer.nest(tuple.addresses)
  const names = addressTypes[version]
  if (receiver.address !== undefined) writer.raw(names.source, receiver.address)
  if (sender.address !== undefined) writer.raw(names.destination, sender.address)
  writer.endNest(addresses)
  const protocol = writer.nest(tuple.protocol)
  reply.nested(tuple.protocol)?.each((type, content) => {
    if (type === portTypes.source) writer.u16(type, receiver.port ?? 0)
    else if (type === portTypes.destination) writer.u16(type, sender.port ?? 0)
    else writer.raw(type, content)
  })
  writer.endNest(protocol)
  writer.endNest(start)
  writeTranslation(writer, attribute.sourceNat, version, sender, answered('destination'))
  writeTranslation(writer, attribute.destinationNat, version, receiver, answered('source'))
}

function writeTranslation(
  writer: MessageWriter,
  type: number,
  version: keyof typeof addressTypes,
  from: End,
  to: End,
): void {
  if (to.address === undefined || isSame(from, to)) return
  const start = writer.nest(type)
  for (const bound of range[version]) writer.raw(bound, to.address)
  if (to.port !== undefined) {
    const ports = writer.nest(range.protocol)
    for (const bound of range.ports) writer.u16(bound, to.port)
    writer.endNest(ports)
  }
  writer.endNest(start)
}

function zoneOf(entry: Attributes): number {
  return (
    entry.u16(attribute.zone) ??
    entry.nested(attribute.original)?.u16(tuple.zone) ??
    entry.nested(attribute.reply)?.u16(tuple.zone) ??
    0
  )
}
