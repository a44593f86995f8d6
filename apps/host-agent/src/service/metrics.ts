import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** The agent's own figures, beside Node's. */
export interface AgentMetrics {
  readonly registry: Registry
  readonly passes: Counter<'lane' | 'outcome'>
  readonly taskSeconds: Histogram<'verb' | 'state'>
  readonly resources: Gauge<'kind'>
  readonly storeRevision: Gauge
  readonly laneStuckSeconds: Gauge<'lane'>
  readonly traffic: TrafficMetrics
}

/** What ports, port groups and uplinks have passed. */
export interface TrafficMetrics {
  readonly bytes: Counter<'subject' | 'name' | 'direction'>
  readonly packets: Counter<'subject' | 'name' | 'direction'>
  readonly errors: Counter<'subject' | 'name' | 'direction'>
  readonly dropped: Counter<'subject' | 'name' | 'direction' | 'reason'>
}

/** Makes the registry; names are `purlin_<noun>_<unit>[_total]`. */
export function openMetrics(): AgentMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    registry,
    passes: new Counter({
      name: 'purlin_lane_passes_total',
      help: 'Passes of a lane, by outcome.',
      labelNames: ['lane', 'outcome'],
      registers,
    }),
    taskSeconds: new Histogram({
      name: 'purlin_task_seconds',
      help: 'From a task’s creation to its end.',
      labelNames: ['verb', 'state'],
      buckets: [0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 120],
      registers,
    }),
    resources: new Gauge({
      name: 'purlin_resources_count',
      help: 'Resources in the desired state.',
      labelNames: ['kind'],
      registers,
    }),
    storeRevision: new Gauge({
      name: 'purlin_store_revision_count',
      help: 'Revision of the newest change of a resource.',
      registers,
    }),
    traffic: trafficMetrics(registers),
    laneStuckSeconds: new Gauge({
      name: 'purlin_lane_stuck_seconds',
      help: 'Age of the lane’s call that is past its deadline; 0 when none is.',
      labelNames: ['lane'],
      registers,
    }),
  }
}

function trafficMetrics(registers: Registry[]): TrafficMetrics {
  const way = ['subject', 'name', 'direction'] as const
  const counter = (what: string, help: string): TrafficMetrics['bytes'] =>
    new Counter({ name: `purlin_network_${what}_total`, help, labelNames: [...way], registers })
  return {
    bytes: counter('bytes', 'Bytes of whole frames, as the machine sees the direction.'),
    packets: counter('packets', 'Frames, as the machine sees the direction.'),
    errors: counter('errors', 'Frames with errors.'),
    dropped: new Counter({
      name: 'purlin_network_dropped_total',
      help: 'Frames that were not passed on, by reason.',
      labelNames: [...way, 'reason'],
      registers,
    }),
  }
}
