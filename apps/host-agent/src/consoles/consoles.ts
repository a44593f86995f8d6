import type { Duplex } from 'node:stream'
import { type Clock, PurlinError, type RandomBytes, toPurlinError } from '@purlin/base'
import {
  type ConsoleAnswer,
  type ConsoleCloseReason,
  consoleCloseCodes,
  consoleOperations,
  type NewEvent,
} from '@purlin/schema'
import {
  type Caller,
  type Carried,
  carryWebSocket,
  refuseUpgrade,
  type StoredRecord,
  type UpgradedRequest,
} from '@purlin/service'
import type { ConsoleKind, MachineConsoles } from '@purlin/virt'
import { machineUuid } from '../machines/machine-uuid.ts'
import { tailOf } from './console-log.ts'
import { OneTimeTokens } from './one-time-tokens.ts'
import { type Seat, Seats } from './seats.ts'

export interface ConsolesGrounds {
  readonly clock: Clock
  readonly random: RandomBytes
  readonly consoles: MachineConsoles
  /** Who sends a request, as far as it proves that. */
  readonly callerOf: (request: UpgradedRequest['request']) => Caller | undefined
  /** Whether somebody who could call a while ago still may. */
  readonly stillMay: (caller: Caller) => boolean
  readonly tell: (event: NewEvent) => void
}

/** What somebody asks for. */
export interface ConsoleWish {
  readonly kind: ConsoleKind
  readonly force: boolean
  readonly tailBytes: number
}

/** What a token is good for. */
interface Grant extends ConsoleWish {
  readonly machine: string
  readonly uuid: string
  readonly caller: Caller
}

interface Sitting extends Seat {
  /** Sends away whoever sits there. */
  leave: (reason: string) => void
}

/** A machine's end of a console, and what its viewer gets first. */
interface Connected {
  readonly line: Duplex
  readonly first: Uint8Array
}

const PATH = consoleOperations.attachConsole.path
/** A viewer has so long to take its farewell when the agent stops. */
const STOP_FAREWELL_MS = 500

/** The consoles of this host's machines: leave to open them, and those that are open. */
export class Consoles {
  readonly #grounds: ConsolesGrounds
  readonly #tokens: OneTimeTokens<Grant>
  readonly #seats = new Seats<Sitting>()
  readonly #carried = new Map<Sitting, Carried>()
  readonly #stopping = new AbortController()

  constructor(grounds: ConsolesGrounds) {
    this.#grounds = grounds
    this.#tokens = new OneTimeTokens(grounds.clock, grounds.random)
  }

  /** Gives leave to open a console once. Errors: those of MachineConsoles, PUR_CONSOLE_BUSY,
   *  PUR_CONSOLE_LIMIT. */
  async ask(
    record: StoredRecord<'VirtualMachine'>,
    wish: ConsoleWish,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<ConsoleAnswer> {
    const { name: machine } = record.manifest
    const { kind, force, tailBytes } = wish
    const uuid = machineUuid(record)
    await this.#grounds.consoles.look(kind, { name: machine, uuid }, signal)
    this.#seats.inTheWay({ machine, uuid, kind }, force)
    const grant = { machine, uuid, kind, force, tailBytes, caller }
    return { path: PATH, ...this.#tokens.give(grant) }
  }

  /** Takes a connection that asks to be a WebSocket; refuses it with a problem document. */
  async upgrade(upgraded: UpgradedRequest): Promise<void> {
    const { request, socket } = upgraded
    // Who goes meanwhile is noticed by the end of the socket.
    socket.on('error', () => socket.destroy())
    try {
      await this.#open(upgraded, this.#grantOf(request))
    } catch (thrown) {
      if (!socket.destroyed) refuseUpgrade(socket, toPurlinError(thrown))
    }
  }

  /** Ends every console and opens none any more; QEMU and its guests do not notice. */
  async close(): Promise<void> {
    this.#stopping.abort()
    const open = [...this.#carried.values()]
    const code = consoleCloseCodes['agent-stops']
    for (const one of open) one.end(code, 'the agent stops; open it again', STOP_FAREWELL_MS)
    await Promise.all(open.map(({ ended }) => ended))
  }

  /** What a request may open. A browser proves nothing by itself, so its token alone counts; who
   *  proves to be somebody has to be the one who asked. Errors: PUR_RESOURCE_MISSING,
   *  PUR_CONSOLE_TOKEN, PUR_AUTH_FORBIDDEN. */
  #grantOf(request: UpgradedRequest['request']): Grant {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    if (request.method !== 'GET' || pathname !== PATH) {
      const message = `${request.method} ${pathname}: no WebSocket is there; ${PATH} has those of consoles`
      throw new PurlinError('PUR_RESOURCE_MISSING', { message })
    }
    const grant = this.#tokens.take(searchParams.get('token') ?? '')
    const proven = this.#grounds.callerOf(request)
    const isOther = proven !== undefined && proven.name !== grant.caller.name
    if (!isOther && this.#grounds.stillMay(grant.caller)) return grant
    const message = `console of machine ${grant.machine}: its token was given to ${grant.caller.name}, ${isOther ? `and ${proven.name} came with it` : 'who may not open it any more'}; ask for one of your own`
    throw new PurlinError('PUR_AUTH_FORBIDDEN', { message })
  }

  async #open(upgraded: UpgradedRequest, grant: Grant): Promise<void> {
    const { machine, uuid, kind, force, caller } = grant
    if (this.#stopping.signal.aborted) {
      throw new PurlinError('PUR_AGENT_UNHEALTHY', { message: 'console: the agent stops' })
    }
    for (const other of this.#seats.inTheWay(grant, force)) {
      other.leave(`${caller.name} took the console over`)
    }
    const taken = new AbortController()
    const seat: Sitting = { machine, uuid, kind, user: caller.name, leave: () => taken.abort() }
    this.#seats.take(seat)
    try {
      const signal = AbortSignal.any([this.#stopping.signal, taken.signal])
      await this.#sit(seat, await this.#connect(grant, signal), upgraded)
    } finally {
      this.#carried.delete(seat)
      this.#seats.leave(seat)
    }
  }

  async #connect(grant: Grant, signal: AbortSignal): Promise<Connected> {
    const { machine, uuid, kind, tailBytes } = grant
    const { consoles } = this.#grounds
    const log = await consoles.look(kind, { name: machine, uuid }, signal)
    const line = await consoles.open(kind, { name: machine, uuid }, signal)
    const first = await tailOf(log, kind === 'serial' ? tailBytes : 0)
    if (!signal.aborted) return { line, first }
    line.destroy()
    const message = `console of machine ${machine}: another took it before it was open, or the agent stops; ask again`
    throw new PurlinError('PUR_CONSOLE_BUSY', { message, context: { machine } })
  }

  async #sit(seat: Sitting, { line, first }: Connected, upgraded: UpgradedRequest): Promise<void> {
    const { machine, user } = seat
    const { consoles, clock, tell } = this.#grounds
    let why: ConsoleCloseReason = 'agent-stops'
    const carried = await carryWebSocket(upgraded, line, {
      ...{ clock, first, silenceCode: consoleCloseCodes.silence },
      lineEnd: async () => {
        why = await consoles.whyEnded(machine, this.#stopping.signal)
        return { code: consoleCloseCodes[why], reason: `machine ${machine}: ${WORDS[why]}` }
      },
    })
    seat.leave = (reason) => {
      why = 'taken'
      carried.end(consoleCloseCodes.taken, reason)
      this.#seats.leave(seat)
    }
    this.#carried.set(seat, carried)
    const begunMs = clock.monotonicMs()
    tell(eventOf(seat, 'opened', `opened by ${user}`))
    const { by, bytesToViewer, bytesFromViewer } = await carried.ended
    const seconds = Math.round((clock.monotonicMs() - begunMs) / 1_000)
    const reason = by === 'viewer' ? 'viewer-left' : by === 'silence' ? 'silence' : why
    const text = `of ${user} closed after ${seconds} s: ${WORDS[reason]}`
    tell(eventOf(seat, 'closed', text, { seconds, bytesToViewer, bytesFromViewer, reason }))
  }
}

const WORDS: Readonly<Record<ConsoleCloseReason | 'viewer-left', string>> = {
  'machine-off': 'it is off',
  'closed-by-machine': 'its QEMU hung up',
  taken: 'another took it over',
  silence: 'nothing was heard of the viewer',
  'agent-stops': 'the agent stops',
  'viewer-left': 'the viewer left',
}

function eventOf(
  { machine, kind, user }: Seat,
  what: 'opened' | 'closed',
  text: string,
  context: Readonly<Record<string, unknown>> = {},
): NewEvent {
  return {
    type: `console.${what}`,
    severity: 'notice',
    subject: { kind: 'VirtualMachine', name: machine },
    message: `${kind === 'vnc' ? 'screen' : 'serial console'} ${text}`,
    context: { console: kind, user, ...context },
  }
}
