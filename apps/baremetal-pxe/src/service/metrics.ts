import { chassisStates, type HealthAnswer } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Life } from '../life/index.ts'

/** The daemon's own figures, beside Node's. */
export interface DaemonMetrics {
  readonly registry: Registry
  readonly taskSeconds: Histogram<'verb' | 'state'>
  readonly notices: Counter<'network' | 'what'>
  /** Counts what there is now. */
  count(catalogue: Catalogue, lives: readonly Life[], lanes: HealthAnswer['lanes']): void
}

/** Makes the registry; names are `purlin_<noun>_<unit>[_total]`. */
export function openMetrics(): DaemonMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const resources = new Gauge({
    name: 'purlin_resources_count',
    help: 'Resources in the desired state.',
    labelNames: ['kind'],
    registers,
  })
  const chassis = new Gauge({
    name: 'purlin_chassis_count',
    help: 'Chassis, by the state of their life.',
    labelNames: ['state'],
    registers,
  })
  const networks = new Gauge({
    name: 'purlin_boot_network_up',
    help: 'Whether a deployment network is served.',
    labelNames: ['network'],
    registers,
  })
  return {
    registry,
    taskSeconds: new Histogram({
      name: 'purlin_task_seconds',
      help: 'From a task’s creation to its end.',
      labelNames: ['verb', 'state'],
      buckets: [0.1, 1, 5, 30, 120, 600, 1_800, 7_200, 86_400],
      registers,
    }),
    notices: new Counter({
      name: 'purlin_boot_notices_total',
      help: 'What the boot services told, by what it was.',
      labelNames: ['network', 'what'],
      registers,
    }),
    count(catalogue, lives, lanes) {
      resources.reset()
      for (const { manifest } of catalogue.all()) resources.inc({ kind: manifest.kind })
      for (const state of chassisStates) {
        chassis.set({ state }, lives.filter((life) => life.state === state).length)
      }
      networks.reset()
      for (const { lane, state } of lanes) {
        networks.set({ network: lane.replace(/^boot /, '') }, state === 'idle' ? 1 : 0)
      }
    },
  }
}
