import type { Run } from '@purlin/base'
import { PORT_MARK, UPLINK_MARK } from '../mark.ts'
import { switchPortsOf } from '../observe.ts'
import type { MeterEntry } from '../openflow/reply.ts'
import type { Database } from '../ovsdb/database.ts'
import { selectAll } from '../ovsdb/operation.ts'
import type { Replica } from '../ovsdb/replica.ts'
import { numberMapOf } from '../ovsdb/value.ts'

/** What a port of a switch has passed and not passed, counted by Open vSwitch and the kernel.
 *  Inbound is what the machine receives; of an uplink, what the host does. */
export interface PortCounters {
  readonly subject: 'port' | 'uplink'
  /** `MACHINE.NIC`, or the uplink. */
  readonly name: string
  readonly switch: string
  readonly inbound: WayCounters
  readonly outbound: WayCounters
}

export interface WayCounters {
  readonly bytes: number
  readonly packets: number
  readonly errors: number
  /** Frames for which the device had no room. */
  readonly droppedByDevice: number
  /** Frames above the port's limit. */
  readonly droppedByLimit: number
}

/** Drops of devices' queues, by device. */
export type QueueDrops = ReadonlyMap<string, number>

const TC_DEADLINE_MS = 5_000

/** Reads the counters of every interface, once. They are brought up to date every five seconds, and
 *  whoever followed them would be woken as often. Errors: PUR_OVS_*. */
export async function readStatistics(
  database: Database,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, ReadonlyMap<string, number>>> {
  const ask = selectAll('Interface', ['name', 'statistics'])
  const [result] = await database.transact('read statistics', [ask], signal)
  return new Map((result?.rows ?? []).map((row) => [String(row.name), numberMapOf(row.statistics)]))
}

/** Reads how much the queues of limited devices dropped. Errors: those of `run`. */
export async function readQueueDrops(run: Run, signal?: AbortSignal): Promise<QueueDrops> {
  const options = { timeoutMs: TC_DEADLINE_MS, ...(signal && { signal }) }
  const { stdout } = await run('tc', ['-s', '-j', 'qdisc', 'show'], options)
  return queueDropsOf(stdout)
}

/** Drops in the words of `tc -s -j qdisc show`: those of the queues that hold rates. Pure. */
export function queueDropsOf(text: string): QueueDrops {
  const rows: unknown = text.trim() === '' ? [] : JSON.parse(text)
  if (!Array.isArray(rows)) return new Map()
  return new Map(
    rows
      .filter(({ kind }) => kind === 'htb')
      .map(({ dev, drops }) => [String(dev), Number(drops ?? 0)]),
  )
}

/** The counters of our ports and uplinks. A bond has the sum of its members. Pure. */
export function countersOf(
  replica: Replica,
  statistics: ReadonlyMap<string, ReadonlyMap<string, number>>,
  meters: ReadonlyMap<string, readonly MeterEntry[]>,
  queueDrops: QueueDrops,
): readonly PortCounters[] {
  return [...switchPortsOf(replica).values()].flatMap((port): PortCounters[] => {
    const machine = port.externalIds[PORT_MARK]
    const uplink = port.externalIds[UPLINK_MARK]
    if (machine === undefined && uplink === undefined) return []
    const sum = (key: string): number =>
      port.interfaces.reduce((total, { name }) => total + (statistics.get(name)?.get(key) ?? 0), 0)
    const way = (letters: 'rx' | 'tx', droppedByLimit: number): WayCounters => ({
      bytes: sum(`${letters}_bytes`),
      packets: sum(`${letters}_packets`),
      errors: sum(`${letters}_errors`),
      droppedByDevice: sum(`${letters}_dropped`),
      droppedByLimit,
    })
    const meter = meters.get(port.bridge)?.find(({ number }) => number === port.ofport)
    const common = { switch: uplink ?? port.bridge }
    // What the switch receives of a port is what its machine sends.
    return machine === undefined
      ? [
          {
            ...{ subject: 'uplink', name: port.name, ...common },
            ...{ inbound: way('rx', 0), outbound: way('tx', 0) },
          },
        ]
      : [
          {
            ...{ subject: 'port', name: machine, ...common },
            inbound: way('tx', queueDrops.get(port.name) ?? 0),
            outbound: way('rx', Number(meter?.droppedPackets ?? 0n)),
          },
        ]
  })
}
