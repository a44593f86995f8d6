import type { InstanceMetrics, InstanceMetricsHistory, MetricsRange } from '@purlin/schema'

/** Whose metrics: names of the resources. */
export interface MonitoredInstance {
  readonly instance: string
  readonly chassis: string
}

/** What the node server answers to a push. `message` goes into the body when it is not empty. */
export interface PushAnswer {
  readonly status: 204 | 400 | 401 | 413 | 429 | 503
  readonly message: string
}

/** Whether an instance's agent is heard of. */
export interface InstanceReporting extends MonitoredInstance {
  readonly reporting: boolean
  readonly lastPushMs: number | undefined
  /** When its state last changed, milliseconds since 1970. */
  readonly sinceMs: number
}

/** What watches installed systems: takes pushes of their agents, keeps a day of them, answers. */
export interface Monitoring {
  /** Takes the body of `POST /metrics`: at most 1 MiB of Prometheus text. `bearer` is what stands
   *  behind `Bearer ` in the header, undefined without one. Never rejects. */
  accept(bearer: string | undefined, body: Uint8Array): Promise<PushAnswer>
  /** The text of `agent.sh`. Each call makes the instance known with a fresh token; the former one
   *  ends. `serverUrl` is `https://ADDRESS:PORT` of the node server; it holds secrets.
   *  Errors: PUR_MONITORING_PACKAGE without a package of the agent to install. */
  agentScript(of: MonitoredInstance, serverUrl: string): Promise<string>
  /** Files that agent.sh fetches from `/system/NAME`: name and path of every package. */
  packages(): Promise<ReadonlyMap<string, string>>
  /** Its token ends, its history goes. Unknown names are fine. */
  forget(instance: string): Promise<void>
  /** The newest values. Errors: PUR_MISSING for an instance without monitoring. */
  latest(instance: string, metric?: string): Promise<InstanceMetrics>
  /** Values over time. Errors: PUR_MISSING; PUR_INVALID for more than 100,000 points. */
  range(instance: string, wanted: MetricsRange): Promise<InstanceMetricsHistory>
  /** Every instance with monitoring, for conditions and alerts. */
  reporting(): readonly InstanceReporting[]
  /** Lines for the daemon's `/metrics`, in pieces, with the labels `instance` and `chassis`. */
  exposition(): Iterable<string>
  /** Ends after what was accepted is on disk. */
  close(): Promise<void>
}
