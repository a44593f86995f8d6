import type {
  EraseDepth,
  InstallationPlan,
  InstanceMetrics,
  InstanceMetricsHistory,
  InstanceSource,
} from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { carryOut, startTask } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import { type Collection, collectionOf } from '../resources/collection.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'

/** Which figures over which time. */
export interface MetricsHistoryOptions extends CallOptions {
  /** A name, or the beginning of names and a `*`; absent: all. */
  readonly metric?: string
  readonly fromMs?: number
  readonly toMs?: number
  readonly stepMs?: number
}

/** Installed systems, with what can be asked of a single one. */
export interface BareMetalInstances extends Collection<'BareMetalInstance'> {
  /** Deletes it: its disks are erased, then its chassis is available. Errors:
   *  PUR_RESOURCE_MISSING, PUR_LIFE_REFUSED. */
  release(
    name: string,
    options?: MutationOptions & { readonly erase?: EraseDepth },
  ): Promise<TaskHandle>
  /** Layout, network and answers of its installation, without secrets. */
  plan(name: string, options?: CallOptions): Promise<InstallationPlan>
  /** The newest figures of the system inside. */
  metrics(
    name: string,
    options?: CallOptions & { readonly metric?: string },
  ): Promise<InstanceMetrics>
  /** Figures over the last day. */
  metricsHistory(name: string, options?: MetricsHistoryOptions): Promise<InstanceMetricsHistory>
}

/** The instances behind `transport`. */
export function bareMetalInstancesOf(transport: Transport): BareMetalInstances {
  return {
    ...collectionOf(transport, 'BareMetalInstance'),
    release: (name, { erase, ...options } = {}) =>
      startTask(transport, 'releaseInstance', {
        parts: { name },
        body: { ...(erase !== undefined && { erase }) },
        options,
      }),
    plan: (name, options) => carryOut(transport, 'planInstance', { parts: { name }, options }),
    metrics: (name, { metric, ...options } = {}) =>
      carryOut(transport, 'instanceMetrics', {
        parts: { name },
        query: { ...(metric !== undefined && { metric }) },
        options,
      }),
    metricsHistory: (name, { metric, fromMs, toMs, stepMs, ...options } = {}) =>
      carryOut(transport, 'instanceMetricsHistory', {
        parts: { name },
        query: {
          ...(metric !== undefined && { metric }),
          ...(fromMs !== undefined && { fromMs }),
          ...(toMs !== undefined && { toMs }),
          ...(stepMs !== undefined && { stepMs }),
        },
        options,
      }),
  }
}

/** Deployment templates, and whether one fits. */
export interface DeploymentTemplates extends Collection<'DeploymentTemplate'> {
  /** What it would become on a chassis, and why not; nothing is begun. */
  check(
    name: string,
    on: { readonly chassis: string; readonly source?: InstanceSource },
    options?: CallOptions,
  ): Promise<InstallationPlan>
}

/** The templates behind `transport`. */
export function deploymentTemplatesOf(transport: Transport): DeploymentTemplates {
  return {
    ...collectionOf(transport, 'DeploymentTemplate'),
    check: (name, { chassis, source }, options) =>
      carryOut(transport, 'checkTemplate', {
        parts: { name },
        query: { chassis, ...source },
        options,
      }),
  }
}
