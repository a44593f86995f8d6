import type { Traffic, TrafficHistoryAnswer } from '@purlin/schema'
import type { Cell, Table } from '../output/table.ts'
import { timeText } from '../output/words.ts'
import { rateText } from './topology.ts'

export interface TrafficOrder {
  readonly sort: 'rate' | 'bytes' | 'dropped'
  readonly of?: Traffic['subject'] | undefined
  readonly count: number
}

/** Ports, port groups and uplinks by what passes through them, the busiest first. Pure. */
export function trafficTable(items: readonly Traffic[], { sort, of, count }: TrafficOrder): Table {
  const figures = {
    rate: (one: Traffic) => one.inboundBitsPerSecond + one.outboundBitsPerSecond,
    bytes: (one: Traffic) => one.inbound.bytes + one.outbound.bytes,
    dropped: droppedOf,
  }
  const rows = items
    .filter(({ subject }) => of === undefined || subject === of)
    .toSorted((a, b) => figures[sort](b) - figures[sort](a) || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map((one): Cell[] => [
      one.subject,
      one.name,
      one.switch,
      rateText(one.inboundBitsPerSecond),
      rateText(one.outboundBitsPerSecond),
      bytesText(one.inbound.bytes),
      bytesText(one.outbound.bytes),
      droppedCell(one),
      errorsCell(one),
    ])
  return {
    columns: ['WHAT', 'NAME', 'SWITCH', 'IN', 'OUT', 'RECEIVED', 'SENT', 'DROPPED', 'ERRORS'],
    rows,
    empty: 'nothing passes through a switch of this host',
  }
}

/** What passed over the last day. Pure. */
export function historyTable({ subject, name, samples }: TrafficHistoryAnswer): Table {
  return {
    columns: ['AT', 'RECEIVED', 'SENT', 'IN', 'OUT', 'DROPPED', 'ERRORS'],
    rows: samples.map((sample, index) => {
      const before = samples[index - 1]
      const rate = (field: 'inboundBytes' | 'outboundBytes'): string =>
        before === undefined
          ? ''
          : rateText(
              (Math.max(sample[field] - before[field], 0) * 8_000) / (sample.atMs - before.atMs),
            )
      return [
        timeText(sample.atMs),
        bytesText(sample.inboundBytes),
        bytesText(sample.outboundBytes),
        rate('inboundBytes'),
        rate('outboundBytes'),
        String(sample.dropped),
        String(sample.errors),
      ]
    }),
    empty: `nothing is known of ${subject} ${name} on this host`,
  }
}

function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let rest = bytes
  let unit = 0
  while (rest >= 1_024 && unit < units.length - 1) {
    rest /= 1_024
    unit++
  }
  return `${unit === 0 ? rest : rest.toFixed(1)} ${units[unit]}`
}

function droppedOf({ dropped }: Traffic): number {
  return dropped.reduce((sum, { packets }) => sum + packets, 0)
}

function droppedCell(one: Traffic): Cell {
  const parts = one.dropped
    .filter(({ packets }) => packets > 0)
    .map(({ reason, direction, packets }) => `${packets} ${direction} (${reason})`)
  return parts.length === 0 ? '0' : { text: parts.join(', '), tone: 'careful' }
}

function errorsCell({ inbound, outbound }: Traffic): Cell {
  const errors = inbound.errors + outbound.errors
  return errors === 0 ? '0' : { text: String(errors), tone: 'bad' }
}
