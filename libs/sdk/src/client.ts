import { randomBytes } from 'node:crypto'
import { type Clock, PurlinError, type RandomBytes, systemClock } from '@purlin/base'
import type {
  Alert,
  Event,
  Finding,
  HealthAnswer,
  Kind,
  PacketExplanation,
  PacketQuestion,
  PlanAnswer,
} from '@purlin/schema'
import { type CacheLocks, cacheLocksOf } from './cache-locks.ts'
import type { CallOptions, MutationOptions } from './connect/call.ts'
import { callOf, carryOut, startTask } from './connect/operation.ts'
import { type ClientTarget, connect, DEFAULT_SOCKET_PATH } from './connect/target.ts'
import { Transport } from './connect/transport.ts'
import { type Enforcement, enforcementOf } from './enforcement.ts'
import { type EventsOptions, followEvents } from './events/follow.ts'
import { type Fleet, fleetOf } from './fleet.ts'
import { checkDocuments } from './manifest/check.ts'
import { type Network, networkOf } from './network.ts'
import {
  type CollectionOf,
  type Collections,
  collectionsOf,
  pick,
} from './resources/collections.ts'
import { backupState, restoreState } from './state.ts'
import type { TaskHandle } from './tasks/task-handle.ts'
import { type Tasks, tasksOf } from './tasks/tasks.ts'
import { type Tokens, tokensOf } from './tokens.ts'

export interface ClientOptions {
  /** For every call that names none; 30 s. */
  readonly deadlineMs?: number
  /** How often a call is tried while the agent cannot be reached; 5. */
  readonly attempts?: number
  /** Ends every call of the client with PUR_CANCELLED. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly random?: RandomBytes
}

export interface PlanOptions extends CallOptions {
  /** false: the documents are sent as they are and the agent alone judges them. */
  readonly checkFirst?: boolean
}

/** Everything an agent offers. Calls throw PurlinError and nothing else. */
export interface Client extends Collections, AsyncDisposable {
  /** The collection of a kind that is known only at run time. */
  resources<K extends Kind>(kind: K): CollectionOf<K>
  /** Applies a manifest, all or nothing. Errors: PUR_INVALID with every problem. */
  apply(documents: readonly unknown[], options?: MutationOptions): Promise<TaskHandle>
  /** What a manifest would change, or, without one, what the host would still do. */
  plan(documents?: readonly unknown[], options?: PlanOptions): Promise<PlanAnswer>
  readonly tasks: Tasks
  readonly tokens: Tokens
  readonly fleet: Fleet
  readonly cacheLocks: CacheLocks
  /** Events as they happen, resumed by itself after a lost connection. */
  events(options?: EventsOptions): AsyncIterableIterator<Event>
  /** Why a packet passes or not. */
  explainPacket(question: PacketQuestion, options?: CallOptions): Promise<PacketExplanation>
  /** The same, and beside each end what the kernel did with one such packet, which nobody gets. */
  explainPacketLive(question: PacketQuestion, options?: CallOptions): Promise<PacketExplanation>
  readonly enforcement: Enforcement
  readonly network: Network
  doctor(options?: CallOptions): Promise<readonly Finding[]>
  /** Answers also where the agent says that it is not well. */
  health(options?: CallOptions): Promise<HealthAnswer>
  /** Figures in the text format of Prometheus. */
  metrics(options?: CallOptions): Promise<string>
  alerts(options?: CallOptions): Promise<readonly Alert[]>
  /** Writes a consistent copy of the state to `file`. */
  backupState(file: string, options?: CallOptions): Promise<void>
  /** Brings the resources of a backup back. */
  restoreState(file: string, options?: MutationOptions): Promise<TaskHandle>
  /** Cuts every connection; calls under way fail. */
  close(): Promise<void>
}

const DEFAULT_DEADLINE_MS = 30_000
const DEFAULT_ATTEMPTS = 5
const BACK_OFF = { firstMs: 100, longestMs: 2_000 }

/** Makes a client; nothing is sent until the first call. Without a target it speaks to the agent of
 *  this host through its socket. */
export function createClient(
  target: ClientTarget = { socketPath: DEFAULT_SOCKET_PATH },
  options: ClientOptions = {},
): Client {
  const transport = new Transport(connect(target), {
    clock: options.clock ?? systemClock,
    random: options.random ?? randomBytes,
    deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
    attempts: options.attempts ?? DEFAULT_ATTEMPTS,
    backOff: BACK_OFF,
    ...(options.signal && { signal: options.signal }),
  })
  const close = (): Promise<void> => transport.close()
  return {
    ...collectionsOf(transport),
    resources: (kind) => pick(transport, kind),
    apply: async (documents, callOptions) => {
      refuseProblems(documents)
      const body = { documents: [...documents] }
      return await startTask(transport, 'apply', { body, options: callOptions })
    },
    plan: async (documents = [], { checkFirst = true, ...callOptions } = {}) => {
      if (checkFirst) refuseProblems(documents)
      const body = { documents: [...documents] }
      return await carryOut(transport, 'plan', { body, options: callOptions })
    },
    tasks: tasksOf(transport),
    tokens: tokensOf(transport),
    fleet: fleetOf(transport),
    cacheLocks: cacheLocksOf(transport),
    events: (eventsOptions) => followEvents(transport, eventsOptions),
    explainPacket: (body, callOptions) =>
      carryOut(transport, 'explainPacket', { body, options: callOptions }),
    explainPacketLive: (body, callOptions) =>
      carryOut(transport, 'explainPacketLive', { body, options: callOptions }),
    enforcement: enforcementOf(transport),
    network: networkOf(transport),
    doctor: async (callOptions) =>
      (await carryOut(transport, 'doctor', { options: callOptions })).findings,
    health: (callOptions) =>
      carryOut(transport, 'health', { acceptedStatuses: [503], options: callOptions }),
    metrics: (callOptions) =>
      transport.text(callOf(transport, 'metrics', { options: callOptions })),
    alerts: async (callOptions) =>
      (await carryOut(transport, 'listAlerts', { options: callOptions })).items,
    backupState: (file, callOptions) => backupState(transport, file, callOptions),
    restoreState: (file, callOptions) => restoreState(transport, file, callOptions),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function refuseProblems(documents: readonly unknown[]): void {
  const problems = checkDocuments(documents)
  if (problems.length === 0) return
  const listed = problems.map(
    ({ document = 0, path, message }) => `document ${document}: ${path}: ${message}`,
  )
  throw new PurlinError('PUR_INVALID', { message: listed.join('; '), problems })
}
