import { systemClock } from '@purlin/base'
import { inSystem } from './installation.ts'
import type { Road } from './road.ts'
import { until } from './until.ts'

/** Metrics that only grow, or stand still: a value read between two others lies between them. */
const COMPARED = [
  ...['node_memory_MemTotal_bytes', 'node_filesystem_size_bytes', 'node_boot_time_seconds'],
  ...[
    'node_cpu_seconds_total',
    'node_disk_written_bytes_total',
    'node_disk_writes_completed_total',
  ],
  ...['node_network_receive_bytes_total', 'node_network_transmit_bytes_total'],
  ...['node_bonding_slaves', 'node_bonding_active'],
] as const
const ROOM = 0.02
const PUSH_MS = 5 * 60_000
const URL = 'http://127.0.0.1:9100/metrics'

type Series = ReadonlyMap<string, number>

/** Compares what the API has of `instance` with node_exporter in the same system: what differs by
 *  more than 2 %, and how many series were compared. Shape: node_exporter's program lies at
 *  `/tmp/node-exporter` of the system. */
export async function differencesToExporter(
  road: Road,
  key: string,
  instance: string,
): Promise<{ readonly compared: number; readonly differing: readonly string[] }> {
  const start = 'setsid /tmp/node-exporter --web.listen-address=127.0.0.1:9100 >/dev/null 2>&1 &'
  await inSystem(key, start)
  const read = async (): Promise<Series> => readSeries(await inSystem(key, 'curl', '-fsS', URL))
  await until('node_exporter answers', () =>
    read().then(
      () => true,
      () => false,
    ),
  )
  const before = await read()
  // The push that is on its way may be older than what was just read; the next one is not.
  for (const _ of [1, 2]) {
    const sinceMs = systemClock.nowMs()
    const pushed = async (): Promise<boolean> =>
      ((await road.client.bareMetalInstances.metrics(instance)).lastPushMs ?? 0) > sinceMs
    await until('the agent pushes', pushed, PUSH_MS)
  }
  const { series } = await road.client.bareMetalInstances.metrics(instance)
  const after = await read()
  const differing: string[] = []
  let compared = 0
  for (const { metric, labels, value } of series) {
    const name = keyOf(metric, labels)
    const [least, most] = [before.get(name), after.get(name)]
    if (!isCompared(metric, labels) || least === undefined || most === undefined) continue
    compared++
    const room = ROOM * Math.max(Math.abs(least), Math.abs(most))
    if (value === null || value < least - room || value > most + room) {
      differing.push(`${name}: ${least} to ${most}, told ${value}`)
    }
  }
  return { compared, differing }
}

/** Of file systems those of disks: a service may have a /tmp in memory of its own. */
function isCompared(metric: string, labels: Readonly<Record<string, string>>): boolean {
  return COMPARED.some((one) => one === metric) && labels.fstype !== 'tmpfs'
}

function keyOf(metric: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
  return `${metric} ${pairs.toSorted().join(',')}`
}

/** Prometheus text; label values here hold no quotes. */
function readSeries(text: string): Series {
  const series = new Map<string, number>()
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (found === null) continue
    const [, metric = '', labels = '', value = ''] = found
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', text = '']) => [
      name,
      text,
    ])
    series.set(keyOf(metric, Object.fromEntries(pairs)), Number(value))
  }
  return series
}
