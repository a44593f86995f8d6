import { cpuModes, pressureSources } from '@purlin/hardware'
import type { HostPool } from '@purlin/schema'
import type { Measured } from './measure.ts'

type Labels = Readonly<Record<string, string | number>>
type Rows = readonly (readonly [Labels, number])[]

/** Names that kernel and node exporter give pressure: what waits for memory and I/O is counted as
 *  waiting, too. */
const MEMORY = ['MemTotal', 'MemFree', 'MemAvailable', 'Buffers', 'Cached', 'SwapTotal', 'SwapFree']
const HUGE_PAGES = ['HugePages_Total', 'HugePages_Free']

/** The figures of host and machines as Prometheus reads them (text format 0.0.4). Names are those
 *  that the field knows, node_exporter's for the host and libvirt exporters' for domains, so that
 *  existing dashboards show them; what only Purlin knows begins with purlin_pool. Pure. */
export function poolExposition(measured: Measured, hosts: readonly HostPool[]): string {
  const lines: string[] = []
  const add = (name: string, type: 'counter' | 'gauge', help: string, rows: Rows): void => {
    if (rows.length === 0) return
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    for (const [labels, value] of rows) lines.push(`${name}${labelText(labels)} ${value}`)
  }
  addHost(add, measured)
  addMachines(add, measured)
  addPools(add, hosts)
  return `${lines.join('\n')}\n`
}

type Add = (name: string, type: 'counter' | 'gauge', help: string, rows: Rows) => void

function addHost(add: Add, { host }: Measured): void {
  const { cpus, memory, load, disks, links, pressure } = host
  add(
    'node_cpu_seconds_total',
    'counter',
    'Seconds the processors spent in each mode.',
    [...cpus].flatMap(([cpu, times]) => cpuModes.map((mode) => [{ cpu, mode }, times[mode]])),
  )
  for (const name of MEMORY) {
    add(
      `node_memory_${name}_bytes`,
      'gauge',
      `Memory information field ${name}.`,
      one(memory, name),
    )
  }
  for (const name of HUGE_PAGES) {
    add(`node_memory_${name}`, 'gauge', `Memory information field ${name}.`, one(memory, name))
  }
  for (const [index, minutes] of [1, 5, 15].entries()) {
    const value = load[index]
    const rows: Rows = value === undefined ? [] : [[{}, value]]
    add(`node_load${minutes}`, 'gauge', `Load average of ${minutes} minutes.`, rows)
  }
  const disk = (name: string, help: string, figure: (one: (typeof disks)[number]) => number) =>
    add(
      `node_disk_${name}_total`,
      'counter',
      help,
      disks.map((each) => [{ device: each.name }, figure(each)]),
    )
  disk('reads_completed', 'Reads completed.', ({ reads }) => reads)
  disk('writes_completed', 'Writes completed.', ({ writes }) => writes)
  disk('read_bytes', 'Bytes read.', ({ readBytes }) => readBytes)
  disk('written_bytes', 'Bytes written.', ({ writtenBytes }) => writtenBytes)
  disk('io_time_seconds', 'Seconds spent doing I/O.', ({ busySeconds }) => busySeconds)
  const link = (name: string, help: string, figure: (one: (typeof links)[number]) => number) =>
    add(
      `node_network_${name}_total`,
      'counter',
      help,
      links.map((each) => [{ device: each.name }, figure(each)]),
    )
  link('receive_bytes', 'Bytes received.', (each) => each.receivedBytes)
  link('receive_packets', 'Packets received.', (each) => each.receivedPackets)
  link('receive_errs', 'Receive errors.', (each) => each.receiveErrors)
  link('receive_drop', 'Packets dropped on receipt.', (each) => each.receiveDrops)
  link('transmit_bytes', 'Bytes sent.', (each) => each.sentBytes)
  link('transmit_packets', 'Packets sent.', (each) => each.sentPackets)
  link('transmit_errs', 'Send errors.', (each) => each.sendErrors)
  link('transmit_drop', 'Packets dropped on sending.', (each) => each.sendDrops)
  for (const source of pressureSources) {
    const found = pressure[source]
    const rows: Rows = found === undefined ? [] : [[{}, found.waitedSeconds]]
    const help = `Seconds in which something waited for ${source}.`
    add(`node_pressure_${source}_waiting_seconds_total`, 'counter', help, rows)
  }
}

function addMachines(add: Add, { machines, unmeasured }: Measured): void {
  add('libvirt_up', 'gauge', 'Whether libvirt told of its domains.', [
    [{}, unmeasured === undefined ? 1 : 0],
  ])
  type Machine = (typeof machines)[number]
  const each = (figure: (machine: Machine) => number): Rows =>
    machines.map((machine) => [{ domain: machine.name }, figure(machine)])
  const domain = 'libvirt_domain'
  add(
    `${domain}_info_vstate`,
    'gauge',
    'virDomainState.',
    each(({ state }) => state),
  )
  add(
    `${domain}_info_virtual_cpus`,
    'gauge',
    'Virtual processors.',
    each(({ cpus }) => cpus),
  )
  add(
    `${domain}_info_cpu_time_seconds_total`,
    'counter',
    'Time of the domain on processors.',
    each(({ cpuSeconds }) => cpuSeconds),
  )
  add(
    `${domain}_info_memory_usage_bytes`,
    'gauge',
    'What the balloon leaves the domain.',
    each(({ memoryBytes }) => memoryBytes),
  )
  add(
    `${domain}_info_maximum_memory_bytes`,
    'gauge',
    'What the domain may have.',
    each(({ memoryMostBytes }) => memoryMostBytes),
  )
  add(
    `${domain}_memory_stats_rss_bytes`,
    'gauge',
    'What its process holds of the host’s memory.',
    each(({ residentBytes }) => residentBytes),
  )
  const disk = (name: string, help: string, figure: (one: Machine['disks'][number]) => number) =>
    add(
      `${domain}_block_stats_${name}_total`,
      'counter',
      help,
      machines.flatMap((machine) =>
        machine.disks.map((one): Rows[number] => [
          { domain: machine.name, target_device: one.target },
          figure(one),
        ]),
      ),
    )
  disk('read_bytes', 'Bytes read.', ({ readBytes }) => readBytes)
  disk('write_bytes', 'Bytes written.', ({ writtenBytes }) => writtenBytes)
  disk('read_requests', 'Read requests.', ({ reads }) => reads)
  disk('write_requests', 'Write requests.', ({ writes }) => writes)
  const nic = (name: string, help: string, figure: (one: Machine['nics'][number]) => number) =>
    add(
      `${domain}_interface_stats_${name}_total`,
      'counter',
      help,
      machines.flatMap((machine) =>
        machine.nics.map((one): Rows[number] => [
          { domain: machine.name, target_device: one.device },
          figure(one),
        ]),
      ),
    )
  nic('receive_bytes', 'Bytes received.', (one) => one.receivedBytes)
  nic('receive_packets', 'Packets received.', (one) => one.receivedPackets)
  nic('receive_errors', 'Receive errors.', (one) => one.receiveErrors)
  nic('receive_drops', 'Packets dropped on receipt.', (one) => one.receiveDrops)
  nic('transmit_bytes', 'Bytes sent.', (one) => one.sentBytes)
  nic('transmit_packets', 'Packets sent.', (one) => one.sentPackets)
  nic('transmit_errors', 'Send errors.', (one) => one.sendErrors)
  nic('transmit_drops', 'Packets dropped on sending.', (one) => one.sendDrops)
}

function addPools(add: Add, hosts: readonly HostPool[]): void {
  const figures = ['total', 'limit', 'reserved', 'overcommitted', 'used'] as const
  const rows = (of: 'cpus' | 'memoryMiB', scale: number): Rows =>
    hosts.flatMap((pool) =>
      figures.flatMap((figure): Rows => {
        const value = pool[of][figure]
        return value === undefined ? [] : [[{ host: pool.host, figure }, value * scale]]
      }),
    )
  add('purlin_pool_cpus_count', 'gauge', 'Processors of each host, by figure.', rows('cpus', 1))
  const bytes = rows('memoryMiB', 1_048_576)
  add('purlin_pool_memory_bytes', 'gauge', 'Memory of each host, by figure.', bytes)
  const machines: Rows = hosts.map(({ host, activeMachines }) => [{ host }, activeMachines])
  add('purlin_pool_machines_count', 'gauge', 'Machines that should be active.', machines)
}

function one(memory: ReadonlyMap<string, number>, name: string): Rows {
  const value = memory.get(name)
  return value === undefined ? [] : [[{}, value]]
}

/** Labels with what the format asks to be escaped: names of foreign domains are anybody's. */
function labelText(labels: Labels): string {
  const texts = Object.entries(labels).map(([name, value]) => {
    const escaped = String(value)
      .replaceAll('\\', '\\\\')
      .replaceAll('"', '\\"')
      .replaceAll('\n', '\\n')
    return `${name}="${escaped}"`
  })
  return texts.length === 0 ? '' : `{${texts.join(',')}}`
}
