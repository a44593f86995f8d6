import type { Duplex } from 'node:stream'
import { type ConsoleCloseReason, type ConsoleRequest, consoleCloseCodes } from '@purlin/schema'
import type { MutationOptions } from '../connect/call.ts'
import { callOf, carryOut } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import type { WebSocketEnd } from '../connect/web-socket.ts'

/** Why a console is closed: the user of the stream ended it, the other side did, with its reason,
 *  or the connection broke. */
export interface ConsoleEnd {
  readonly why: ConsoleCloseReason | 'ended-here' | 'connection-lost'
  readonly message: string
}

/** A machine's console as a stream of bytes, with back-pressure both ways; ending it leaves the
 *  console. */
export interface MachineConsole extends Duplex {
  /** Resolves when it is closed, and never rejects. */
  readonly ended: Promise<ConsoleEnd>
}

/** Of a serial console. */
export type SerialOptions = MutationOptions & Omit<ConsoleRequest, 'kind'>

/** What a machine that has power offers to people. Errors: PUR_RESOURCE_MISSING,
 *  PUR_VIRT_NO_DOMAIN where another host has the machine, PUR_VIRT_POWER where it is off,
 *  PUR_CONSOLE_ABSENT, PUR_CONSOLE_LIMIT. */
export interface ConsoleCalls {
  /** Its first serial port, which one user has at a time: PUR_CONSOLE_BUSY unless `force`. */
  console(options?: SerialOptions): Promise<MachineConsole>
  /** Its screen: the stream speaks RFB 3.8 and asks for no password. */
  screen(options?: MutationOptions): Promise<MachineConsole>
}

/** Opens a console of a machine: asks for leave, then for the WebSocket. */
export async function openConsole(
  transport: Transport,
  name: string,
  request: ConsoleRequest,
  options: MutationOptions = {},
): Promise<MachineConsole> {
  const asked = { parts: { name }, body: request, options }
  const { token } = await carryOut(transport, 'openMachineConsole', asked)
  const call = callOf(transport, 'attachConsole', { query: { token }, options })
  const { stream, closed } = await transport.webSocket(call)
  const { signal } = options
  const leave = (): void => void stream.destroy()
  signal?.addEventListener('abort', leave, { once: true })
  const ended = closed.then((end) => {
    signal?.removeEventListener('abort', leave)
    return endOf(end)
  })
  return Object.assign(stream, { ended })
}

/** Opens the serial console of a machine. */
export async function openSerial(
  transport: Transport,
  name: string,
  { force, tailBytes, ...options }: SerialOptions = {},
): Promise<MachineConsole> {
  const wish = {
    kind: 'serial',
    ...(force !== undefined && { force }),
    ...(tailBytes !== undefined && { tailBytes }),
  } as const
  return await openConsole(transport, name, wish, options)
}

function endOf({ code, reason: message, endedHere }: WebSocketEnd): ConsoleEnd {
  const known = Object.entries(consoleCloseCodes).find(([, one]) => one === code)
  if (known !== undefined) return { why: known[0] as ConsoleCloseReason, message }
  if (endedHere) return { why: 'ended-here', message: 'left' }
  return { why: 'connection-lost', message: message || `the connection was cut (${code})` }
}
