import { Readable } from 'node:stream'
import { type Clock, PurlinError } from '@purlin/base'
import type { bareMetalOperations, HealthAnswer, Kind, Resource } from '@purlin/schema'
import {
  type Alerts,
  type Call,
  type CatalogueFollower,
  type Changes,
  type ConditionTimes,
  commonHandlers,
  type HandlersOf,
  type IdempotencyLog,
  onceOf,
  plannedChange,
  type ResourceHandlers,
  type StoredRecord,
  type TaskFollower,
  type Tokens,
} from '@purlin/service'
import type { EventLog, Store, TaskLog } from '@purlin/store'
import type { AllottedAddress } from '../admit/addresses.ts'
import type { Beside } from '../admit/admission.ts'
import type { Configuration } from '../config/config.ts'
import type { Conductor } from '../life/index.ts'
import type { ContentStore } from '../media/index.ts'
import type { Monitoring } from '../monitoring/index.ts'
import type { Bmcs } from '../service/bmcs.ts'
import { examine } from '../service/doctor.ts'
import type { Installations } from '../service/installations.ts'
import type { DaemonMetrics } from '../service/metrics.ts'
import type { Networks } from '../service/networks.ts'
import type { NewestReports } from '../service/reports.ts'
import type { DaemonView } from '../status/daemon-view.ts'
import { resourceOf, type StatusGrounds } from '../status/resource-status.ts'
import { chassisHandlers } from './chassis-calls.ts'
import { installationHandlers } from './installation-calls.ts'
import { networkHandlers } from './network-calls.ts'

/** All that the calls of the API work with. */
export interface DaemonGrounds {
  readonly configuration: Configuration
  readonly version: string
  readonly clock: Clock
  readonly store: Store
  readonly events: EventLog
  readonly tasks: TaskLog
  readonly tokens: Tokens
  readonly alerts: Alerts
  readonly catalogue: CatalogueFollower
  readonly changes: Changes<Beside>
  readonly follower: TaskFollower
  readonly conductor: Conductor
  readonly bmcs: Bmcs
  readonly content: ContentStore
  readonly monitoring: Monitoring
  readonly networks: Networks
  readonly installations: Installations
  readonly metrics: DaemonMetrics
  readonly view: DaemonView
  readonly reports: NewestReports
  readonly times: ConditionTimes
  readonly idempotency: IdempotencyLog
  readonly startedAtMs: number
  readonly addressOf: (chassis: string) => AllottedAddress | undefined
  /** Resolves after a pass over all that is wanted. */
  readonly passed: () => Promise<void>
}

/** The calls of every kind. */
export function resourceHandlers(grounds: DaemonGrounds): ResourceHandlers {
  const { catalogue, changes } = grounds
  const once = onceOf(grounds)
  return {
    list: (kind) =>
      catalogue
        .current()
        .list(kind)
        .map((record) => answerOf(grounds, record)),
    get: (kind, name) => answerOf(grounds, recordOf(grounds, kind, name)),
    put: (kind: Kind, name: string, call: Call) =>
      once(call, (request) =>
        changes.put({ kind, name, ifRevision: call.ifRevision }, call.body, request),
      ),
    remove: (kind: Kind, name: string, call: Call) =>
      once(call, (request) => changes.remove({ kind, name, ifRevision: call.ifRevision }, request)),
  }
}

/** The calls of the schema's table. */
export function operationHandlers(grounds: DaemonGrounds): HandlersOf<typeof bareMetalOperations> {
  const { changes, conductor, content, monitoring, networks, installations, metrics } = grounds
  const once = onceOf(grounds)
  const nowMs = () => grounds.clock.nowMs()
  return {
    apply: (call) =>
      once(call, (request) =>
        changes.apply(call.body.documents, request, { files: call.body.files }),
      ),
    plan: async ({ body }) => {
      if (body.documents.length === 0) return { changes: [], unread: [], steps: [] }
      const change = await changes.hypothetical(body.documents, { files: body.files })
      const steps = change.changes.map(({ action, kind, name }) => ({
        lane: laneOf(kind),
        summary: `${action} ${kind} ${name}`,
      }))
      return {
        changes: change.changes.map(plannedChange),
        unread: [],
        steps: steps.filter(({ lane }) => lane !== 'records'),
      }
    },
    ...commonHandlers({ ...grounds, changes: cancelling(grounds) }, once),
    ...chassisHandlers({
      ...{ changes, once, conductor, nowMs },
      chassis: (name) => recordOf(grounds, 'Chassis', name).manifest,
      bmcOf: (name) => grounds.bmcs.of(name),
    }),
    ...installationHandlers({
      ...{ changes, once, content, monitoring, passed: grounds.passed },
      has: (kind, name) => grounds.catalogue.current().get(kind, name) !== undefined,
      planOf: (instance) => installations.planOf(instance),
      planFor: (question) => installations.planFor(question),
    }),
    ...networkHandlers({
      nowMs,
      serviceOf: (network) => networks.serviceOf(network),
      enrolUntil: async (network, untilMs) => {
        await networks.enrolUntil(network, untilMs)
        await grounds.passed()
      },
    }),
    doctor: async () =>
      await examine({
        path: (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/sbin'),
        discoveryFolder: grounds.configuration.discovery.folder,
        agentPackages: () => monitoring.packages(),
        networks: networks
          .health()
          .map(({ lane, lastError }) => ({ name: lane, ...(lastError && { error: lastError }) })),
      }),
    health: async ({ reply }) => {
      const answer = healthOf(grounds)
      if (answer.status !== 'ok') reply.status(503)
      return answer
    },
    metrics: async () => {
      metrics.count(grounds.catalogue.current(), conductor.lives(), networks.health())
      const own = await metrics.registry.metrics()
      return Readable.from(pieces(own, monitoring.exposition()))
    },
  }
}

/** Whom a change of the kind concerns; `records` are only known. */
function laneOf(kind: Kind): string {
  if (kind === 'DeploymentNetwork') return 'boot'
  if (kind === 'InstallMedia' || kind === 'Image') return 'content'
  return kind === 'Chassis' || kind === 'BareMetalInstance' ? 'life' : 'records'
}

function* pieces(own: string, further: Iterable<string>): Iterable<string> {
  yield own
  yield* further
}

/** A task that is given up takes back what it changed, and ends what it began. */
function cancelling({
  changes,
  tasks,
  conductor,
}: DaemonGrounds): Pick<Changes, 'restore' | 'takeBack'> {
  return {
    restore: (records, once) => changes.restore(records, once),
    takeBack: async (id) => {
      const { verb, targets } = await tasks.get(id)
      await changes.takeBack(id)
      const begun = !['apply', 'put', 'delete', 'restore'].includes(verb)
      for (const { kind, name } of targets) {
        if (begun && kind === 'Chassis') await conductor.request(name, { ask: 'cancel' })
      }
    },
  }
}

function healthOf(grounds: DaemonGrounds): HealthAnswer {
  const lanes = grounds.networks.health()
  const trouble = grounds.store.trouble()
  const { revision } = grounds.catalogue.current()
  const bad = trouble !== undefined || lanes.some(({ state }) => state === 'failed')
  const starting = lanes.some(({ state }) => state === 'starting')
  return {
    status: bad ? 'degraded' : starting ? 'starting' : 'ok',
    version: grounds.version,
    host: grounds.configuration.host.name,
    uptimeSeconds: Math.round((grounds.clock.monotonicMs() - grounds.startedAtMs) / 1000),
    lanes,
    store:
      trouble === undefined
        ? { engine: 'sqlite', state: 'ok', revision }
        : {
            ...{ engine: 'sqlite', state: 'unreachable', revision },
            ...{ found: trouble.message, sinceMs: trouble.sinceMs },
          },
  }
}

function recordOf<K extends Kind>(
  { catalogue }: DaemonGrounds,
  kind: K,
  name: string,
): StoredRecord<K> {
  const record = catalogue.current().get(kind, name)
  if (record !== undefined) return record
  throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
}

function answerOf(grounds: DaemonGrounds, record: StoredRecord): Resource {
  const { conductor, networks, content, monitoring, reports, addressOf, view, times } = grounds
  const status: StatusGrounds = {
    ...{ view, times, addressOf },
    powerOf: (chassis) => conductor.powerOf(chassis),
    reportOf: (chassis) => reports.of(chassis),
    treeOf: (media) => content.tree(media),
    serviceOf: (network) => networks.openService(network),
    enrolUntilMs: (network) => networks.enrolUntilMs(network),
    strangersOf: (network) => conductor.strangers(network),
    reportingOf: (instance) => monitoring.reporting().find((one) => one.instance === instance),
  }
  return resourceOf(record, status, grounds.clock.nowMs())
}
