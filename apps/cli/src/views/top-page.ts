import type { HostPool, MachineUse, PoolAnswer } from '@purlin/schema'
import { type Cell, renderTable, type Table } from '../output/table.ts'
import { barCell, partOf } from './bar.ts'
import { bytesRate } from './host-picture.ts'
import { amountText } from './host-table.ts'
import { rateText } from './topology.ts'

const BAR_CELLS = 20
const SMALL_BAR_CELLS = 10

/** By what machines are ordered. */
export const topOrders = ['cpu', 'memory', 'disk', 'net', 'name'] as const
export type TopOrder = (typeof topOrders)[number]

export interface TopOptions {
  readonly sort: TopOrder
  /** Rows of machines at most. */
  readonly count: number
  readonly colours: boolean
}

/** Hosts and machines with what they use now, the busiest first. Pure. */
export function topPage(pool: PoolAnswer, { sort, count, colours }: TopOptions): string {
  const { fleet, hosts, machines, unmeasured } = pool
  const summary = `${fleet.presentHosts} of ${fleet.hosts} hosts there, ${fleet.activeMachines} of ${fleet.machines} machines should be active; promised ${amountText(fleet.cpus.reserved, 'cpus')} of ${amountText(fleet.cpus.limit, 'cpus')} processors, ${amountText(fleet.memoryMiB.reserved, 'memoryMiB')} of ${amountText(fleet.memoryMiB.limit, 'memoryMiB')}`
  const shown = machines
    .filter(({ active }) => active)
    .toSorted((one, other) => figureOf(other, sort) - figureOf(one, sort) || byName(one, other))
    .slice(0, count)
  const trouble = unmeasured === undefined ? [] : [`machines are not measured: ${unmeasured}\n`]
  return [
    `${summary}\n\n`,
    renderTable(hostsTable(hosts), colours),
    '\n',
    ...trouble,
    renderTable(machinesTable(shown), colours),
  ].join('')
}

function hostsTable(hosts: readonly HostPool[]): Table {
  const rows = hosts.map(({ host, present, cpus, memoryMiB, use }): Cell[] => {
    if (!present) return [host, { text: 'away', tone: 'bad' }]
    if (use === undefined) return [host, 'not measured yet']
    return [
      host,
      barCell(partOf(use.cpus, cpus.total), BAR_CELLS),
      barCell(partOf(use.memoryMiB, memoryMiB.total), BAR_CELLS),
      bytesRate(use.diskReadBytesPerSecond),
      bytesRate(use.diskWriteBytesPerSecond),
      rateText(use.netReceivedBitsPerSecond),
      rateText(use.netSentBitsPerSecond),
      use.load.toFixed(2),
    ]
  })
  return {
    columns: ['HOST', 'CPU', 'MEMORY', 'READ', 'WRITTEN', 'RECEIVED', 'SENT', 'LOAD'],
    rows,
    empty: 'no host',
  }
}

function machinesTable(machines: readonly MachineUse[]): Table {
  const rows = machines.map((machine): Cell[] => [
    machine.foreign ? { text: `${machine.name} (foreign)`, tone: 'quiet' } : machine.name,
    barCell(partOf(machine.cpusUsed, machine.cpus), SMALL_BAR_CELLS),
    String(machine.cpus),
    amountText(machine.memoryUsedMiB, 'memoryMiB'),
    amountText(machine.memoryMiB, 'memoryMiB'),
    bytesRate(machine.diskReadBytesPerSecond),
    bytesRate(machine.diskWriteBytesPerSecond),
    `${machine.diskReadsPerSecond + machine.diskWritesPerSecond}/s`,
    rateText(machine.netReceivedBitsPerSecond),
    rateText(machine.netSentBitsPerSecond),
  ])
  return {
    columns: [
      ...['MACHINE', 'CPU', 'CPUS', 'HELD', 'MEMORY', 'READ', 'WRITTEN', 'REQUESTS'],
      ...['RECEIVED', 'SENT'],
    ],
    rows,
    empty: 'no machine is active on the host of this agent',
  }
}

function figureOf(machine: MachineUse, sort: TopOrder): number {
  const figures: Readonly<Record<TopOrder, number>> = {
    cpu: machine.cpusUsed,
    memory: machine.memoryUsedMiB,
    disk: machine.diskReadBytesPerSecond + machine.diskWriteBytesPerSecond,
    net: machine.netReceivedBitsPerSecond + machine.netSentBitsPerSecond,
    name: 0,
  }
  return figures[sort]
}

function byName(one: MachineUse, other: MachineUse): number {
  return one.name < other.name ? -1 : 1
}
