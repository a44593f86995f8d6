import type { Manifest } from '@purlin/schema'
import type { PlainClient } from '../clients.ts'
import type { Endpoint, GuestEndpoints } from './endpoint.ts'
import type { Measured } from './measure.ts'
import type { Cell } from './question.ts'
import { serviceText } from './service.ts'
import { aligned, reachabilityTable, TABLE_LEGEND } from './table.ts'

/** Seconds of the parts of an `up`. */
export interface Times {
  readonly setUp: number
  readonly up: number
  readonly table: number
  readonly altogether: number
}

/** All an `up` has to say. */
export interface UpReport {
  readonly manifest: string
  readonly socket: string
  readonly machines: readonly Manifest<'VirtualMachine'>[]
  readonly portGroups: readonly Manifest<'PortGroup'>[]
  readonly guests: GuestEndpoints
  readonly clients: readonly PlainClient[]
  readonly measured: readonly Measured[]
  readonly cells: readonly Cell[]
  readonly times: Times
}

/** What was made, for people. Pure. */
export function madeLines({ machines, portGroups, guests, clients }: UpReport): readonly string[] {
  const nics = guests.measured.map((end) => nicRow(end, machines))
  const left = guests.left.map(({ name, why }) => `not measured: ${name} ${why}`)
  return [
    'Port groups',
    ...indented(
      aligned([
        ['name', 'switch', 'vlan', 'subnets'],
        ...portGroups.map(({ name, spec }) => [
          name,
          spec.switch,
          String(spec.vlan),
          spec.subnets.map(({ cidr }) => cidr).join(' '),
        ]),
      ]),
    ),
    'Machines',
    ...indented(aligned([['name', 'mac', 'ipv4', 'ipv6', 'security groups'], ...nics])),
    ...indented(left),
    'Clients outside the policy',
    ...indented(
      aligned([
        ['name', 'port group', 'ipv4', 'ipv6', 'stands in'],
        ...clients.map(({ name, portGroup, addresses }) => [
          name,
          portGroup,
          addresses.ipv4 ?? '-',
          addresses.ipv6 ?? '-',
          addresses.within.join(' ') || 'no range of a rule',
        ]),
      ]),
    ),
  ]
}

/** Who reaches whom, for people. Pure. */
export function tableLines({ cells, measured, times }: UpReport): readonly string[] {
  const sum = (of: (one: Measured) => number): number =>
    measured.reduce((total, one) => total + of(one), 0)
  const wrong = differences(cells)
  const seconds = (value: number): string => `${value.toFixed(1)} s`
  const passing = cells.filter(({ passes }) => passes).length
  const verdicts = `${passing} pass, ${cells.length - passing} do not`
  const each = measured
    .map(({ asker, sent, received }) => `${asker.name} ${sent}/${received}`)
    .join(', ')
  const made = `set-up ${seconds(times.setUp)}, up ${seconds(times.up)}`
  return [
    `Who reaches whom (${TABLE_LEGEND})`,
    ...indented(reachabilityTable(cells)),
    ...wrong.map(sentenceOf),
    `${cells.length} verdicts measured: ${verdicts}; ${wrong.length} differ from the policy`,
    `packets: ${sum(({ sent }) => sent)} sent, ${sum(({ received }) => received)} received (${each})`,
    `times: ${made}, table ${seconds(times.table)}, altogether ${seconds(times.altogether)}`,
  ]
}

/** Cells whose traffic did not do what the policy says. Pure. */
export function differences(cells: readonly Cell[]): readonly Cell[] {
  return cells.filter(({ passes, expected }) => passes !== expected)
}

/** The report for programs. Pure. */
export function reportDocument(report: UpReport): unknown {
  const { manifest, socket, machines, portGroups, guests, clients, measured, cells, times } = report
  return {
    manifest,
    socket,
    portGroups: portGroups.map(({ name, spec }) => ({ name, ...spec })),
    machines: guests.measured.map(({ name, port, ipv4, ipv6 }) => ({
      name,
      mac: port?.spec.mac,
      ipv4,
      ipv6,
      securityGroups: groupsOf(port, machines),
    })),
    notMeasured: guests.left,
    clients: clients.map(({ name, portGroup, addresses }) => ({ name, portGroup, ...addresses })),
    cells: cells.map(({ from, to, family, service, passes, expected }) => ({
      from: from.name,
      to: to.name,
      family,
      service: serviceText(service),
      passes,
      expected,
    })),
    packets: measured.map(({ asker, sent, received }) => ({ from: asker.name, sent, received })),
    differing: differences(cells).length,
    timesSeconds: times,
  }
}

function nicRow(end: Endpoint, machines: readonly Manifest<'VirtualMachine'>[]): readonly string[] {
  const groups = groupsOf(end.port, machines).join(' ') || '-'
  return [end.name, end.port?.spec.mac ?? '-', end.ipv4 ?? '-', end.ipv6 ?? '-', groups]
}

function groupsOf(
  port: Manifest<'Port'> | undefined,
  machines: readonly Manifest<'VirtualMachine'>[],
): readonly string[] {
  const machine = machines.find(({ name }) => name === port?.spec.virtualMachine)
  return machine?.spec.nics.find(({ name }) => name === port?.spec.nic)?.securityGroups ?? []
}

function sentenceOf({ from, to, family, service, passes, expected }: Cell): string {
  const says = (value: boolean): string => (value ? 'passes' : 'does not pass')
  return `! ${from.name} to ${to.name}, ${serviceText(service)} by ${family}: ${says(passes)}, the policy says it ${says(expected)}`
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`)
}
