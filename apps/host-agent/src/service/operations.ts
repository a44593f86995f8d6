import { type Clock, PurlinError, type Run } from '@purlin/base'
import { explainPacket, type NetfilterDriver } from '@purlin/netfilter'
import type { Reconciler } from '@purlin/reconcile'
import {
  explainRouted,
  type HealthAnswer,
  type Kind,
  type Resource,
  type StoreHealth,
} from '@purlin/schema'
import {
  type Alerts,
  type Call,
  type CatalogueFollower,
  type Changes,
  commonHandlers,
  type IdempotencyLog,
  onceOf,
  type ResourceHandlers,
  type StoredRecord,
  type TaskFollower,
  type Tokens,
} from '@purlin/service'
import type { EventLog, Store, TaskLog } from '@purlin/store'
import type { GuestAgent, LibvirtPort } from '@purlin/virt'
import type { AdmitOptions } from '../admit/change.ts'
import { adoptionHandlers } from '../adopt/handlers.ts'
import type { OperationHandlers } from '../api/handlers.ts'
import type { Configuration } from '../config/config.ts'
import type { Consoles } from '../consoles/consoles.ts'
import { consoleHandlers } from '../consoles/handlers.ts'
import { netfilterDesired } from '../desired/netfilter.ts'
import { routedNetwork } from '../desired/routers.ts'
import type { FleetMembership } from '../fleet/membership.ts'
import { fleetHandlers } from '../fleet/operations.ts'
import { aloneHost, type Presence } from '../fleet/presence.ts'
import { machineSnapshotHandlers } from '../machine-snapshots/handlers.ts'
import type { MachineActs } from '../machines/acts.ts'
import { guestHandlers } from '../machines/guest-handlers.ts'
import { machineHandlers } from '../machines/handlers.ts'
import type { Fabric } from '../move/fabric.ts'
import { portMoveHandlers } from '../move/handlers.ts'
import { poolExposition } from '../pool/exposition.ts'
import { poolHandlers } from '../pool/handlers.ts'
import type { ResourcePool } from '../pool/resource-pool.ts'
import type { ConditionHistory } from '../status/conditions.ts'
import type { FleetState } from '../status/fleet-state.ts'
import type { HostState } from '../status/host-state.ts'
import { takenNames } from '../status/taken-names.ts'
import { trashHandlers } from '../trash/handlers.ts'
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
  readonly consoles: Consoles
  readonly foreignDomain: LibvirtPort['domain']
  readonly acts: MachineActs
  /** What can be asked of the kernel's rules beside the lane. */
  readonly netfilter: Pick<NetfilterDriver, 'hits' | 'verify'>
  readonly network: NetworkGrounds
  readonly volumes: VolumeGrounds
  readonly metrics: AgentMetrics
  readonly fabric: Fabric
  readonly pool: ResourcePool
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
  const { catalogue, changes, reconciler, desired } = grounds
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
    ...commonHandlers(grounds, once),
    explainPacket: async ({ body }) => {
      const current = catalogue.current()
      const { securityGroups, host } = grounds.configuration
      const policy = netfilterDesired(current, securityGroups)
      return explainRouted(routedNetwork(current, host.name), body, (question) =>
        explainPacket(policy, question),
      )
    },
    ...machineHandlers(grounds, once),
    ...machineSnapshotHandlers({ ...grounds, host: grounds.configuration.host.name }, once),
    ...trashHandlers(grounds, once),
    ...adoptionHandlers(grounds, once),
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
    ...guestHandlers({ ...grounds, host: grounds.configuration.host.name }),
    ...consoleHandlers({ ...grounds, host: grounds.configuration.host.name }),
    ...poolHandlers(grounds.pool),
    doctor: () => examine(grounds),
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
      const { pool } = grounds
      const text = await grounds.metrics.registry.metrics()
      return text + poolExposition(await pool.measured(), pool.hosts())
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
function hostsOf(grounds: OperationGrounds): readonly Resource<'Host'>[] {
  const { presence, configuration, version, clock, startedAtMs, pool } = grounds
  const pools = new Map(pool.hosts().map((one) => [one.host, one]))
  const about = { version, capacity: pool.capacity }
  const sinceMs = clock.nowMs() - (clock.monotonicMs() - startedAtMs)
  const hosts = presence?.list() ?? [aloneHost(configuration.host.name, about, sinceMs)]
  return hosts.map((host) => {
    return { ...host, status: { ...host.status, pool: pools.get(host.name) } }
  })
}

function resourceOf(grounds: OperationGrounds, record: StoredRecord): Resource {
  const { manifest, uid, generation, revision, createdAtMs } = record
  const view = grounds.fleet.viewOf(record)
  const status = grounds.conditions.statusOf(record, view, grounds.clock.nowMs())
  return { ...manifest, uid, generation, revision, createdAtMs, status } as Resource
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
