import { randomBytes } from 'node:crypto'
import { type Clock, PurlinError, type RandomBytes, systemClock } from '@purlin/base'
import type { Alert, ApplyRequest, Event, Finding, HealthAnswer, PlanAnswer } from '@purlin/schema'
import type { CallOptions, MutationOptions } from './connect/call.ts'
import { callOf, carryOut, startTask } from './connect/operation.ts'
import { type ClientTarget, connect } from './connect/target.ts'
import { Transport } from './connect/transport.ts'
import { type EventsOptions, followEvents } from './events/follow.ts'
import { checkDocuments } from './manifest/check.ts'
import { backupState, restoreState } from './state.ts'
import type { TaskHandle } from './tasks/task-handle.ts'
import { type Tasks, tasksOf } from './tasks/tasks.ts'
import { type Tokens, tokensOf } from './tokens.ts'

export interface ClientOptions {
  /** For every call that names none; 30 s. */
  readonly deadlineMs?: number
  /** How often a call is tried while the daemon cannot be reached; 5. */
  readonly attempts?: number
  /** Ends every call of the client with PUR_CANCELLED. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly random?: RandomBytes
}

/** Texts of the files that documents name, by the path as written; `readManifestFiles` reads
 *  them. */
type Files = NonNullable<ApplyRequest['files']>

export interface ApplyOptions extends MutationOptions {
  readonly files?: Files
}

export interface PlanOptions extends CallOptions {
  /** false: the documents are sent as they are and the daemon alone judges them. */
  readonly checkFirst?: boolean
  readonly files?: Files
}

/** What every daemon offers. Calls throw PurlinError and nothing else. */
export interface DaemonClient extends AsyncDisposable {
  /** Applies a manifest, all or nothing. Errors: PUR_INVALID with every problem. */
  apply(documents: readonly unknown[], options?: ApplyOptions): Promise<TaskHandle>
  /** What a manifest would change, or, without one, what the daemon would still do. */
  plan(documents?: readonly unknown[], options?: PlanOptions): Promise<PlanAnswer>
  readonly tasks: Tasks
  readonly tokens: Tokens
  /** Events as they happen, resumed by itself after a lost connection. */
  events(options?: EventsOptions): AsyncIterableIterator<Event>
  doctor(options?: CallOptions): Promise<readonly Finding[]>
  /** Answers also where the daemon says that it is not well. */
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

/** The way to a daemon; nothing is sent until the first call. */
export function transportTo(target: ClientTarget, options: ClientOptions): Transport {
  return new Transport(connect(target), {
    clock: options.clock ?? systemClock,
    random: options.random ?? randomBytes,
    deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
    attempts: options.attempts ?? DEFAULT_ATTEMPTS,
    backOff: BACK_OFF,
    ...(options.signal && { signal: options.signal }),
  })
}

/** What every daemon behind `transport` offers. */
export function daemonOf(transport: Transport): DaemonClient {
  const close = (): Promise<void> => transport.close()
  return {
    apply: async (documents, { files, ...options } = {}) => {
      refuseProblems(documents)
      const body = { documents: [...documents], ...(files && { files: { ...files } }) }
      return await startTask(transport, 'apply', { body, options })
    },
    plan: async (documents = [], { checkFirst = true, files, ...options } = {}) => {
      if (checkFirst) refuseProblems(documents)
      const body = { documents: [...documents], ...(files && { files: { ...files } }) }
      return await carryOut(transport, 'plan', { body, options })
    },
    tasks: tasksOf(transport),
    tokens: tokensOf(transport),
    events: (options) => followEvents(transport, options),
    doctor: async (options) => (await carryOut(transport, 'doctor', { options })).findings,
    health: (options) => carryOut(transport, 'health', { acceptedStatuses: [503], options }),
    metrics: (options) => transport.text(callOf(transport, 'metrics', { options })),
    alerts: async (options) => (await carryOut(transport, 'listAlerts', { options })).items,
    backupState: (file, options) => backupState(transport, file, options),
    restoreState: (file, options) => restoreState(transport, file, options),
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
