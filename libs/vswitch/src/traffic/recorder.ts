import type { Clock } from '@purlin/base'
import type { Traffic } from '@purlin/schema'
import type { PortCounters, WayCounters } from './counters.ts'
import { TrafficHistory, type TrafficSample } from './history.ts'

const MEASURE_EVERY_MS = 10_000

export interface TrafficRecorderOptions {
  readonly clock: Clock
  /** Counts every port and uplink. */
  readonly count: (signal: AbortSignal) => Promise<readonly PortCounters[]>
  /** The port group of a port; undefined where it is not known. */
  readonly portGroupOf: (port: string) => string | undefined
  readonly signal: AbortSignal
}

/** Counts the ports, port groups and uplinks of this host every ten seconds, and keeps a day. */
export interface TrafficRecorder {
  /** Counted now. Errors: PUR_OVS_*. */
  list(): Promise<{ readonly items: readonly Traffic[]; readonly measuredAtMs: number }>
  history(subject: Traffic['subject'], name: string): readonly TrafficSample[]
}

/** Starts counting until the signal. A count that fails is left out: the next one tells as much. */
export function recordTraffic(options: TrafficRecorderOptions): TrafficRecorder {
  const { clock, signal } = options
  const history = new TrafficHistory()
  const measure = async (): Promise<{ items: readonly Traffic[]; measuredAtMs: number }> => {
    const counted = await options.count(signal)
    const measuredAtMs = clock.nowMs()
    const groups = groupsOf(counted, options.portGroupOf)
    const items = [...counted, ...groups].map((one) => {
      const key = `${one.subject} ${one.name}`
      history.add(key, sampleOf(one, measuredAtMs))
      return shown(one, history.lastTwo(key))
    })
    return { items, measuredAtMs }
  }
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await measure().catch(() => undefined)
      await clock.sleep(MEASURE_EVERY_MS, signal)
    }
  }
  run().catch(() => {})
  return { list: measure, history: (subject, name) => history.samples(`${subject} ${name}`) }
}

interface Counted extends Omit<PortCounters, 'subject'> {
  readonly subject: Traffic['subject']
}

/** The sums of each port group's ports. Pure. */
function groupsOf(
  counted: readonly PortCounters[],
  portGroupOf: TrafficRecorderOptions['portGroupOf'],
): readonly Counted[] {
  const groups = new Map<string, Counted>()
  for (const one of counted) {
    const name = one.subject === 'port' ? portGroupOf(one.name) : undefined
    if (name === undefined) continue
    const before = groups.get(name)
    groups.set(name, {
      subject: 'port-group',
      name,
      switch: one.switch,
      inbound: sum(before?.inbound, one.inbound),
      outbound: sum(before?.outbound, one.outbound),
    })
  }
  return [...groups.values()]
}

function sum(before: WayCounters | undefined, one: WayCounters): WayCounters {
  if (before === undefined) return one
  return {
    bytes: before.bytes + one.bytes,
    packets: before.packets + one.packets,
    errors: before.errors + one.errors,
    droppedByDevice: before.droppedByDevice + one.droppedByDevice,
    droppedByLimit: before.droppedByLimit + one.droppedByLimit,
  }
}

function sampleOf({ inbound, outbound }: Counted, atMs: number): TrafficSample {
  const dropped = ({ droppedByDevice, droppedByLimit }: WayCounters): number =>
    droppedByDevice + droppedByLimit
  return {
    atMs,
    inboundBytes: inbound.bytes,
    outboundBytes: outbound.bytes,
    inboundPackets: inbound.packets,
    outboundPackets: outbound.packets,
    dropped: dropped(inbound) + dropped(outbound),
    errors: inbound.errors + outbound.errors,
  }
}

function shown(one: Counted, samples: readonly TrafficSample[]): Traffic {
  const [before, now] = samples
  const rate = (field: 'inboundBytes' | 'outboundBytes'): number => {
    if (before === undefined || now === undefined || now.atMs <= before.atMs) return 0
    // A port that was made anew counts from nothing.
    const bytes = Math.max(now[field] - before[field], 0)
    return Math.round((bytes * 8_000) / (now.atMs - before.atMs))
  }
  const way = ({ bytes, packets, errors }: WayCounters): Traffic['inbound'] => ({
    bytes,
    packets,
    errors,
  })
  return {
    subject: one.subject,
    name: one.name,
    switch: one.switch,
    inbound: way(one.inbound),
    outbound: way(one.outbound),
    dropped: (['inbound', 'outbound'] as const).flatMap((direction) => [
      { reason: 'rate-limit' as const, direction, packets: one[direction].droppedByLimit },
      { reason: 'device' as const, direction, packets: one[direction].droppedByDevice },
    ]),
    inboundBitsPerSecond: rate('inboundBytes'),
    outboundBitsPerSecond: rate('outboundBytes'),
  }
}
