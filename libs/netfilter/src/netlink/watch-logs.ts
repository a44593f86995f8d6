import { PurlinError } from '@purlin/base'
import type { Arrival, NetlinkSocket } from './addon.ts'
import { family, messageFlag, subsystem } from './constants.ts'
import { errorsOf, errorText, openSocket } from './exchange.ts'
import { readPacket } from './headers.ts'
import { type Attributes, readMessages } from './reader.ts'
import type { CallOptions, LoggedPacket, Stop } from './socket.ts'
import { MessageWriter } from './writer.ts'

/** Numbers of `nfnetlink_log.h`. */
const PACKET = subsystem.log << 8
const CONFIGURE = (subsystem.log << 8) | 1
const setting = { command: 1, mode: 2, timeout: 4 } as const
const COMMAND_BIND = 1
const MODE_PACKET = 2
const attribute = { mark: 2, payload: 9, prefix: 10 } as const

/** Enough for the headers of both layers. */
const COPIED_BYTES = 128
/** The kernel gathers packets for at most this long, in hundredths of a second. */
const GATHERED_CENTISECONDS = 10
const DEADLINE_MS = 2000

/** Listens to an nflog group. Errors: PUR_NFT_REFUSED where somebody else listens already. */
export async function watchLogs(
  nflogGroup: number,
  now: () => number,
  onPacket: (packet: LoggedPacket) => void,
  options: CallOptions = {},
): Promise<Stop> {
  const socket = openSocket([])
  try {
    await bind(socket, nflogGroup, options.timeoutMs ?? DEADLINE_MS)
  } catch (thrown) {
    socket.close()
    throw thrown
  }
  socket.listen(({ messages }: Arrival) => {
    for (const { type, attributes } of readMessages(messages)) {
      if (type === PACKET) onPacket(readLogged(attributes, now()))
    }
  })
  return () => socket.close()
}

async function bind(socket: NetlinkSocket, nflogGroup: number, timeoutMs: number): Promise<void> {
  const writer = new MessageWriter()
  const flags = messageFlag.request | messageFlag.ack
  const settings: ((writer: MessageWriter) => void)[] = [
    (one) => one.raw(setting.command, Uint8Array.of(COMMAND_BIND)),
    (one) => {
      one.raw(setting.mode, Uint8Array.of(0, 0, 0, COPIED_BYTES, MODE_PACKET, 0))
      one.u32(setting.timeout, GATHERED_CENTISECONDS)
    },
  ]
  settings.forEach((fill, index) => {
    const start = writer.begin(CONFIGURE, flags, index + 1, family.unspecified, nflogGroup)
    fill(writer)
    writer.end(start)
  })
  const last = settings.length
  const answer = await socket.request(writer.bytes(), 1, last, 'batch', timeoutMs)
  const refused = errorsOf(readMessages(answer.messages)).find((error) => error.errno !== 0)
  const number = refused?.errno ?? answer.errno
  if (number === 0) return
  throw new PurlinError('PUR_NFT_REFUSED', {
    message: `log group ${nflogGroup}: the kernel does not let us listen: ${errorText(number)}; another program may hold the group`,
  })
}

function readLogged(packet: Attributes, receivedMs: number): LoggedPacket {
  const payload = packet.bytes(attribute.payload) ?? new Uint8Array(0)
  return {
    prefix: packet.text(attribute.prefix) ?? '',
    receivedMs,
    mark: packet.u32(attribute.mark) ?? 0,
    packet: readPacket(payload),
    lengthBytes: lengthOf(payload),
  }
}

/** The packet's own length: its copy is cut. */
function lengthOf(payload: Uint8Array): number {
  if (payload.length < 20) return payload.length
  const view = new DataView(payload.buffer, payload.byteOffset)
  return (payload[0] ?? 0) >> 4 === 6 ? view.getUint16(4) + 40 : view.getUint16(2)
}
