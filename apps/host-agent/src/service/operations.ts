import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, PurlinError, type Run, toPurlinError } from '@purlin/base'
import { explainPacket, type NetfilterDriver } from '@purlin/netfilter'
import type { Reconciler } from '@purlin/reconcile'
import {
  type Event,
  explainRouted,
  type HealthAnswer,
  type Kind,
  type Resource,
  type StoreHealth,
  type Task,
  taskEnded,
} from '@purlin/schema'
import { type EventLog, readBackup, type Store, type TaskLog } from '@purlin/store'
import type { GuestAgent } from '@purlin/virt'
import type { AdmitOptions } from '../admit/change.ts'
import type { Tokens } from '../api/auth.ts'
import { sendEvents } from '../api/event-stream.ts'
import type { Call, OperationHandlers, ResourceHandlers } from '../api/handlers.ts'
import type { IdempotencyLog, OnceRequest } from '../api/idempotency.ts'
import type { Configuration } from '../config/config.ts'
import { netfilterDesired } from '../desired/netfilter.ts'
import { routedNetwork } from '../desired/routers.ts'
import type { FleetMembership } from '../fleet/membership.ts'
import { fleetHandlers } from '../fleet/operations.ts'
import { aloneHost, type Presence } from '../fleet/presence.ts'
import type { Fabric } from '../move/fabric.ts'
import { portMoveHandlers } from '../move/handlers.ts'
import type { CatalogueFollower } from '../resources/catalogue.ts'
import { RESOURCE_PREFIX, type ResourceRecord, type StoredRecord } from '../resources/record.ts'
import type { Alerts } from '../status/alerts.ts'
import type { ConditionHistory } from '../status/conditions.ts'
import type { FleetState } from '../status/fleet-state.ts'
import type { HostState } from '../status/host-state.ts'
import { takenNames } from '../status/taken-names.ts'
import type { Changes } from '../work/changes.ts'
import type { TaskFollower } from '../work/task-follower.ts'
import { cacheLockHandlers } from './cache-locks.ts'
import type { DesiredState } from './desired-state.ts'
import { enforcementHandlers } from './enforcement.ts'
import type { AgentMetrics } from './metrics.ts'
import { type NetworkGrounds, networkHandlers, showTraffic } from './network.ts'
import { hypothetical } from './plan.ts'
import { securityGroupHandlers } from './security-groups.ts'
import { storagePoolHandlers } from './storage-pools.ts'
import { type VolumeGrounds, volumeHandlers } from './volumes.ts'

/** All that the calls of the API work with. */
export interface OperationGrounds {
  readonly configuration: Configuration
  readonly version: string
  readonly clock: Clock
  readonly run: Run
  readonly store: Store
  readonly events: EventLog
  readonly tasks: TaskLog
  readonly tokens: Tokens
  readonly catalogue: CatalogueFollower
  readonly state: HostState
  /** What is observed on all hosts. */
  readonly fleet: FleetState
  /** Absent on a host that is alone. */
  readonly presence: Presence | undefined
  /** What admission has to know of the fleet. */
  readonly places: () => AdmitOptions
  readonly storeEngine: 'sqlite' | 'etcd'
  readonly membership: FleetMembership | undefined
  readonly settled: () => Promise<void>
  readonly startAgain: (reason: string) => void
  readonly conditions: ConditionHistory
  readonly alerts: Alerts
  readonly changes: Changes
  readonly follower: TaskFollower
  readonly idempotency: IdempotencyLog
  readonly reconciler: Reconciler
  readonly desired: DesiredState
  readonly guests: GuestAgent
  /** What can be asked of the kernel's rules beside the lane. */
  readonly netfilter: Pick<NetfilterDriver, 'hits' | 'verify'>
  readonly network: NetworkGrounds
  readonly volumes: VolumeGrounds
  readonly metrics: AgentMetrics
  readonly fabric: Fabric
  readonly startedAtMs: number
}

/** The calls of every kind. */
export function resourceHandlers(grounds: OperationGrounds): ResourceHandlers {
  const { catalogue, changes } = grounds
  const once = onceOf(grounds)
  return {
    list: (kind) =>
      kind === 'Host'
        ? hostsOf(grounds)
        : catalogue
            .current()
            .list(kind)
            .map((record) => resourceOf(grounds, record)),
    get(kind, name) {
      const host = kind === 'Host' && hostsOf(grounds).find((one) => one.name === name)
      if (host) return host
      const record = catalogue.current().get(kind, name)
      if (record === undefined) {
        throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
      }
      return resourceOf(grounds, record)
    },
    put: (kind: Kind, name: string, call: Call) =>
      once(call, (request) =>
        changes.put({ kind, name, ifRevision: call.ifRevision }, call.body, request),
      ),
    remove: (kind: Kind, name: string, call: Call) =>
      once(call, (request) => changes.remove({ kind, name, ifRevision: call.ifRevision }, request)),
  }
}

/** The calls of the schema's table. */
export function operationHandlers(grounds: OperationGrounds): OperationHandlers {
  const { catalogue, changes, tasks, tokens, reconciler, desired } = grounds
  const once = onceOf(grounds)
  return {
    apply: (call) => once(call, (request) => changes.apply(call.body.documents, request)),
    plan: async ({ body }) => {
      const { changes: planned, after } = hypothetical(
        catalogue.current(),
        body.documents,
        await desired.imageNames([]),
        grounds.clock.nowMs(),
        grounds.places(),
      )
      const lanes = await reconciler.plan((lane) => desired.hypothetical(lane, after))
      return {
        changes: planned,
        unread: lanes.flatMap(({ lane, error }) =>
          error ? [{ lane, reason: error.message }] : [],
        ),
        steps: lanes.flatMap(({ lane, steps }) => steps.map(({ summary }) => ({ lane, summary }))),
      }
    },
    listTasks: async () => ({ items: [...(await tasks.list())] }),
    getTask: async ({ params, query, signal }) =>
      await tasks.wait(params.id ?? '', query.waitMs, signal),
    cancelTask: async ({ params }) => await cancelTask(grounds, params.id ?? ''),
    listAlerts: async () => ({ items: [...grounds.alerts.list()] }),
    streamEvents: async ({ query, lastEventId, signal, reply }) => {
      const after = query.after ?? lastEventId
      const from = after ?? (query.follow === 'true' ? await grounds.events.last() : 0)
      await sendEvents(reply, from, eventsOf(grounds.events, from, query.follow === 'true', signal))
      return undefined
    },
    explainPacket: async ({ body }) => {
      const current = catalogue.current()
      const { securityGroups, host } = grounds.configuration
      const policy = netfilterDesired(current, securityGroups)
      return explainRouted(routedNetwork(current, host.name), body, (question) =>
        explainPacket(policy, question),
      )
    },
    startMachine: (call) =>
      once(call, (request) => setPowerState(changes, call.params.name ?? '', 'running', request)),
    stopMachine: (call) =>
      once(call, (request) => setPowerState(changes, call.params.name ?? '', 'stopped', request)),
    ...securityGroupHandlers(grounds, once),
    ...enforcementHandlers(grounds),
    ...networkHandlers(grounds.network),
    ...volumeHandlers(grounds.volumes),
    ...storagePoolHandlers(grounds.volumes),
    ...cacheLockHandlers({
      store: grounds.store,
      clock: grounds.clock,
      host: grounds.configuration.host.name,
      catalogue: () => catalogue.current(),
      folder: grounds.configuration.storage?.folder,
    }),
    ...fleetHandlers(grounds),
    ...portMoveHandlers({ ...grounds, host: grounds.configuration.host.name }),
    execMachine: (call) => execInGuest(grounds, call),
    doctor: () => examine(grounds),
    listTokens: async () => tokens.list(),
    createToken: async ({ body }) => await tokens.create(body.name, body.role),
    deleteToken: async ({ params }) => {
      await tokens.remove(params.name ?? '')
      return {}
    },
    backupState: async () => await backup(grounds.store),
    restoreState: (call) => once(call, (request) => restore(grounds, call.body, request)),
    health: async ({ reply }) => {
      const answer = healthOf(grounds)
      if (answer.status !== 'ok') reply.status(503)
      return answer
    },
    metrics: async () => {
      for (const lane of reconciler.health()) {
        const stuckSeconds = lane.state === 'stuck' ? (lane.ageMs ?? 0) / 1000 : 0
        grounds.metrics.laneStuckSeconds.set({ lane: lane.lane }, stuckSeconds)
      }
      await showTraffic(grounds.network, grounds.metrics.traffic)
      return await grounds.metrics.registry.metrics()
    },
  }
}

/** Health as `/healthz` answers it and as the watchdog asks it. */
export function healthOf(grounds: OperationGrounds): HealthAnswer {
  const lanes = grounds.reconciler.health()
  const store = storeHealthOf(grounds)
  const away = store.state !== 'ok'
  const bad = lanes.some(({ state }) => state === 'stuck' || state === 'failed')
  const starting = lanes.some(({ state }) => state === 'starting')
  return {
    status: bad || away ? 'degraded' : starting ? 'starting' : 'ok',
    version: grounds.version,
    host: grounds.configuration.host.name,
    uptimeSeconds: Math.round((grounds.clock.monotonicMs() - grounds.startedAtMs) / 1000),
    lanes: [...lanes],
    store,
  }
}

function storeHealthOf({ store, catalogue, storeEngine: engine }: OperationGrounds): StoreHealth {
  const trouble = store.trouble()
  const { revision } = catalogue.current()
  if (trouble === undefined) return { engine, state: 'ok', revision }
  const { message: found, sinceMs } = trouble
  return { engine, state: 'unreachable', revision, found, sinceMs }
}

/** A host that is alone knows itself. */
function hostsOf({ presence, configuration, version, clock, startedAtMs }: OperationGrounds) {
  if (presence !== undefined) return presence.list()
  const { name } = configuration.host
  return [aloneHost(name, version, clock.nowMs() - (clock.monotonicMs() - startedAtMs))]
}

function resourceOf(grounds: OperationGrounds, record: StoredRecord): Resource {
  const { manifest, uid, generation, revision, createdAtMs } = record
  const view = grounds.fleet.viewOf(record)
  const status = grounds.conditions.statusOf(record, view, grounds.clock.nowMs())
  return { ...manifest, uid, generation, revision, createdAtMs, status } as Resource
}

/** Carries a request out once a key, and gives its task also to those who repeat it. */
export type Once = (call: Call, work: (request?: OnceRequest) => Promise<Task>) => Promise<Task>

function onceOf({ idempotency, tasks }: OperationGrounds): Once {
  return async (call, work) => {
    let made: Task | undefined
    const request = { path: call.reply.request.url, body: call.body }
    const id = await idempotency.once(call.idempotencyKey, request, async (once) => {
      made = await work(once)
      return made.id
    })
    return made ?? (await tasks.get(id))
  }
}

/** Loaded when somebody asks: an agent at rest has no use for it. */
async function examine(grounds: OperationGrounds) {
  const { run, reconciler, desired, configuration, state } = grounds
  const { examineHost, systemHostReader } = await import('@purlin/hardware')
  const accelerator = desired.accelerator()
  const findings = await examineHost({
    ...systemHostReader,
    run,
    lanes: reconciler.health(),
    taken: takenNames(state.view()),
    kvmVerdict: { works: accelerator.kind === 'kvm', found: accelerator.reason },
    stateFolder: configuration.state.folder,
  })
  return { findings: [...findings] }
}

/** Puts back what the task changed, then ends it. Where somebody changed it since, the task goes
 *  on. */
async function cancelTask(
  { tasks, changes, follower }: OperationGrounds,
  id: string,
): Promise<Task> {
  const task = await tasks.get(id)
  if (taskEnded(task)) return await tasks.cancel(id)
  follower.leave(id)
  try {
    await changes.takeBack(id)
  } catch (thrown) {
    await follower.follow(task)
    if (toPurlinError(thrown).code !== 'PUR_STORE_CONFLICT') throw thrown
    const message = `task ${id}: what it changed was changed again since and is left as it is; the task goes on`
    throw new PurlinError('PUR_STORE_CONFLICT', { message, cause: thrown })
  }
  return await tasks.cancel(id)
}

async function setPowerState(
  changes: Changes,
  name: string,
  powerState: 'running' | 'stopped',
  request?: OnceRequest,
): Promise<Task> {
  const verb = powerState === 'running' ? 'start' : 'stop'
  const subject = { kind: 'VirtualMachine', name } as const
  return await changes.modify(verb, subject, (spec) => ({ ...spec, powerState }), request)
}

async function execInGuest(
  { guests, catalogue }: OperationGrounds,
  call: Call<unknown, { command: string[]; input: string; timeoutMs: number }>,
) {
  const name = call.params.name ?? ''
  if (catalogue.current().get('VirtualMachine', name) === undefined) {
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no VirtualMachine named ${name}` })
  }
  const { command, input, timeoutMs } = call.body
  const [program = '', ...args] = command
  const options = { deadlineMs: timeoutMs, signal: call.signal }
  const { exitCode, stdout, stderr } = await guests.exec(
    name,
    { command: [program, ...args], input },
    options,
  )
  return { exitCode, stdout, stderr }
}

async function* eventsOf(
  events: EventLog,
  after: number,
  follow: boolean,
  signal: AbortSignal,
): AsyncIterable<Event> {
  if (follow) {
    yield* events.follow({ after, signal })
    return
  }
  let from = after
  for (;;) {
    const batch = await events.read({ after: from })
    yield* batch
    const last = batch.at(-1)
    if (last === undefined) return
    from = last.sequence
  }
}

async function backup(store: Store): Promise<NodeJS.ReadableStream> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-backup-'))
  const file = join(folder, 'state.db')
  await store.backup(file)
  const stream = createReadStream(file)
  stream.once('close', () => void rm(folder, { recursive: true, force: true }))
  return stream
}

/** Brings the resources of a backup back as one new change; tasks, events and tokens stay as they
 *  are. */
async function restore(
  grounds: OperationGrounds,
  body: unknown,
  request?: OnceRequest,
): Promise<Task> {
  if (!(body instanceof Uint8Array)) {
    const message = 'restore: send the backup file as application/octet-stream'
    throw new PurlinError('PUR_INVALID', { message })
  }
  const folder = await mkdtemp(join(tmpdir(), 'purlin-restore-'))
  try {
    const file = join(folder, 'state.db')
    await writeFile(file, body, { mode: 0o600 })
    const entries = await readBackup(file)
    const records = entries
      .filter(({ key }) => key.startsWith(RESOURCE_PREFIX))
      .map(({ value }) => value as ResourceRecord)
    return await grounds.changes.restore(records, request)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
