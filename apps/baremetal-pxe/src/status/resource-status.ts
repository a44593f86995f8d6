import type { BootService, BootStatus } from '@purlin/boot-service'
import type {
  BareMetalInstanceStatus,
  ChassisStatus,
  ContentStatus,
  DeploymentNetworkStatus,
  InstallMediaStatus,
  ReportSummary,
  Resource,
} from '@purlin/schema'
import type { ConditionTimes, StoredRecord } from '@purlin/service'
import type { AllottedAddress } from '../admit/addresses.ts'
import { type Conductor, type Life, lifeView } from '../life/index.ts'
import { type InstanceReporting, reportingCondition } from '../monitoring/index.ts'
import type { DaemonView } from './daemon-view.ts'
import { readinessOf } from './readiness.ts'

/** A node that no chassis names, as it was seen in an enrol window. */
export type Stranger = NonNullable<DeploymentNetworkStatus['unknown']>[number]

/** What the status of a resource is made of, beside the view that it is judged by. */
export interface StatusGrounds {
  readonly view: DaemonView
  readonly times: ConditionTimes
  readonly addressOf: (chassis: string) => AllottedAddress | undefined
  readonly powerOf: Conductor['powerOf']
  readonly reportOf: (chassis: string) => ReportSummary | undefined
  readonly treeOf: (media: string) => InstallMediaStatus['tree']
  readonly serviceOf: (network: string) => BootService | undefined
  readonly enrolUntilMs: (network: string) => number | undefined
  readonly strangersOf: (network: string) => readonly Stranger[]
  readonly reportingOf: (instance: string) => InstanceReporting | undefined
}

/** A resource as it is answered: its document, its versions, and what is observed of it. */
export function resourceOf(record: StoredRecord, grounds: StatusGrounds, nowMs: number): Resource {
  const { manifest, uid, generation, revision, createdAtMs } = record
  const readiness = readinessOf(record, grounds.view)
  const { status, reason, message } = readiness
  const ready = { type: 'Ready', status, reason, message }
  const common = {
    observedGeneration: reason === 'Pending' ? generation - 1 : generation,
    conditions: [grounds.times.condition(uid, ready, nowMs)],
  }
  const found = { ...common, ...observedOf(record, grounds, nowMs) }
  const further = reportingOf(record, grounds, nowMs)
  const conditions = [...common.conditions, ...further]
  return {
    ...{ ...manifest, uid, generation, revision, createdAtMs },
    status: { ...found, conditions },
  } as Resource
}

function observedOf(record: StoredRecord, grounds: StatusGrounds, nowMs: number): object {
  const { manifest, uid } = record
  switch (manifest.kind) {
    case 'Chassis':
      return chassisFields(manifest.name, grounds)
    case 'BareMetalInstance':
      return instanceFields(record as StoredRecord<'BareMetalInstance'>, uid, grounds)
    case 'InstallMedia': {
      const tree = grounds.treeOf(manifest.name)
      return { content: contentOf(manifest, grounds), ...(tree && { tree }) }
    }
    case 'Image':
      return { content: contentOf(manifest, grounds) }
    case 'DeploymentNetwork':
      return networkFields(manifest.name, grounds, nowMs)
    default:
      return {}
  }
}

function contentOf(
  { kind, name }: { readonly kind: 'InstallMedia' | 'Image'; readonly name: string },
  { view }: StatusGrounds,
): ContentStatus {
  return view.contentOf(kind, name)
}

function chassisFields(name: string, grounds: StatusGrounds): Partial<ChassisStatus> {
  const life = grounds.view.lifeOf(name)
  const seen = grounds.powerOf(name)
  const report = grounds.reportOf(name)
  const address = grounds.addressOf(name)?.address
  return {
    ...(life && { life: lifeView(life) }),
    power: life?.power ?? seen?.power ?? 'unknown',
    ...(seen && seen.power !== 'unknown' && { powerReadAtMs: seen.atMs }),
    ...(address !== undefined && { address }),
    ...(report && { report }),
    ...(seen && {
      bmc: {
        reachable: seen.trouble === undefined,
        ...(seen.trouble !== undefined && { message: seen.trouble }),
        atMs: seen.atMs,
      },
    }),
  }
}

function instanceFields(
  { manifest }: StoredRecord<'BareMetalInstance'>,
  uid: string,
  grounds: StatusGrounds,
): Partial<BareMetalInstanceStatus> {
  const life = grounds.view.lifeOf(manifest.spec.chassis)
  const metricsAtMs = grounds.reportingOf(manifest.name)?.lastPushMs
  if (life?.deployment?.uid !== uid) return {}
  const { state, step, sinceMs, deadlineAtMs, attempt, failure } = lifeView(life)
  return {
    ...{ state, sinceMs },
    ...(step !== undefined && { step }),
    ...(deadlineAtMs !== undefined && { deadlineAtMs }),
    ...(attempt !== undefined && { attempt }),
    steps: life.steps.map((passed) => ({ step: passed.step, atMs: passed.atMs })),
    ...(failure && { failure }),
    ...(state === 'active' && { installedAtMs: sinceMs }),
    ...(metricsAtMs !== undefined && { metricsAtMs }),
  }
}

function networkFields(
  name: string,
  grounds: StatusGrounds,
  nowMs: number,
): Partial<DeploymentNetworkStatus> {
  const until = grounds.enrolUntilMs(name)
  const unknown = grounds.strangersOf(name)
  const status = grounds.serviceOf(name)?.status()
  return {
    ...(until !== undefined && until > nowMs && { enrolUntilMs: until }),
    ...(unknown.length > 0 && { unknown: [...unknown] }),
    ...(status && { servers: serversOf(status) }),
  }
}

/** The foreign DHCP servers that the last probe found, as the API tells them. Pure. */
export function serversOf({
  foreignServers,
}: Pick<BootStatus, 'foreignServers'>): NonNullable<DeploymentNetworkStatus['servers']> {
  return foreignServers.map(({ server, offered }) => ({ address: server, offered, own: false }))
}

function reportingOf({ manifest }: StoredRecord, grounds: StatusGrounds, nowMs: number) {
  const of = manifest.kind === 'BareMetalInstance' ? grounds.reportingOf(manifest.name) : undefined
  if (of === undefined || manifest.kind !== 'BareMetalInstance') return []
  return [reportingCondition(of, runningSinceMs(grounds.view.lifeOf(manifest.spec.chassis)), nowMs)]
}

/** Since when the system on a chassis runs; undefined while it does not. Pure. */
export function runningSinceMs(life: Life | undefined): number | undefined {
  return life?.state === 'active' && life.power !== 'off' ? life.sinceMs : undefined
}
