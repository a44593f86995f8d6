import { aligned } from '../../sandbox/up/table.ts'
import type { Summary } from '../quantile.ts'
import type { SwitchFindings } from './findings.ts'

/** The findings as people read them. */
export function reportLines(findings: SwitchFindings): readonly string[] {
  const { machine, transactions, ports, throughput, membership } = findings
  const row = (name: string, { count, p50, p99 }: Summary, cpuMs: number): string[] => [
    name,
    ...[count, p50, p99, cpuMs].map(String),
  ]
  const [filterable, direct] = throughput
  const ratio =
    filterable === undefined || direct === undefined
      ? Number.NaN
      : direct.megabitPerSecond / filterable.megabitPerSecond
  return [
    machine,
    ...aligned([
      ['one key set, milliseconds', 'n', 'p50', 'p99', 'CPU each'],
      ...transactions.flatMap(({ what, purlin, purlinCpuMs, vsctl, vsctlCpuMs }) => [
        row(`Purlin, ${what}`, purlin, purlinCpuMs),
        row(`ovs-vsctl, ${what}`, vsctl, vsctlCpuMs),
      ]),
    ]),
    ...transactions.map(
      ({ what, purlin, vsctl }) =>
        `${what}: ${(vsctl.p50 / purlin.p50).toFixed(1)} times as fast as a spawned ovs-vsctl`,
    ),
    ...aligned([
      [
        `ports, median of ${ports.rounds}`,
        'n',
        'made ms',
        'removed ms',
        'made each',
        'removed each',
      ],
      ...ports.sides.map(({ who, count, madeMs, removedMs }) => [
        who,
        ...[count, madeMs, removedMs].map(String),
        ...[madeMs, removedMs].map((ms) => (ms / count).toFixed(1)),
      ]),
    ]),
    `Purlin's ports looked at and planned in ${ports.lookMs} ms`,
    ...throughput.map(
      ({ path, megabitPerSecond, cpuPercent }) =>
        `TCP between two ${path} ports: ${megabitPerSecond} Mbit/s, iperf3's own CPU ${cpuPercent} %`,
    ),
    `a change of a group enforced on another host, of ${membership.count}: p50 ${membership.p50} ms, p99 ${membership.p99} ms`,
    `a direct port has ${ratio.toFixed(2)} times the throughput of a filterable one`,
  ]
}
