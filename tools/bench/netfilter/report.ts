import { aligned } from '../../sandbox/up/table.ts'
import type { NetfilterFindings } from './findings.ts'
import { goals } from './goals.ts'

/** The findings as tables, with the goals below. Pure. */
export function reportLines(findings: NetfilterFindings): readonly string[] {
  return [
    findings.machine,
    '',
    'first packet of a flow that no rule matches, CPU ns a packet (median; smallest)',
    ...firstPacketTable(findings),
    '',
    '100 NICs with 100 rules each, milliseconds a change',
    ...commitTable(findings),
    '',
    'established TCP flow behind 1,000 rules',
    ...throughputTable(findings),
    '',
    ...goals(findings).map(
      ({ name, found, wanted, met }) =>
        `${met ? 'met   ' : 'missed'}  ${name}: ${found.toFixed(2)}, goal ${wanted}`,
    ),
  ]
}

function firstPacketTable({ firstPacket }: NetfilterFindings): readonly string[] {
  const columns = [...new Set(firstPacket.map(({ nics, rules }) => `${nics} × ${rules}`))]
  const sides = [...new Set(firstPacket.map(({ side }) => side))]
  return aligned([
    ['NICs × rules', ...columns],
    ...sides.map((side) => [
      side,
      ...columns.map((column) => {
        const row = firstPacket.find(
          (one) => one.side === side && `${one.nics} × ${one.rules}` === column,
        )
        return row === undefined ? '' : `${Math.round(row.cpuNs)} (${Math.round(row.smallestNs)})`
      }),
    ]),
  ])
}

function commitTable({ commits }: NetfilterFindings): readonly string[] {
  return aligned([
    ['change', 'side', 'n', 'p50', 'p99', 'largest', 'CPU each', 'then settled, p50'],
    ...commits.map(({ change, side, wall, settled, cpuMs }) => [
      change,
      side,
      ...[wall.count, wall.p50, wall.p99, wall.largest, cpuMs].map(String),
      settled === undefined ? '' : String(settled.p50),
    ]),
  ])
}

function throughputTable({ throughput }: NetfilterFindings): readonly string[] {
  const open = throughput[0]?.gigabitPerSecond ?? Number.NaN
  return aligned([
    ['side', 'Gbit/s', 'of no filter', 'CPU %'],
    ...throughput.map(({ side, gigabitPerSecond, cpuPercent }) => [
      side,
      gigabitPerSecond.toFixed(2),
      (gigabitPerSecond / open).toFixed(2),
      cpuPercent.toFixed(0),
    ]),
  ])
}
