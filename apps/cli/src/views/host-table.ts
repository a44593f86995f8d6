import type { HostPool, Resource } from '@purlin/schema'
import type { Cell, Table } from '../output/table.ts'
import { ageText, readyCell, timeText } from '../output/words.ts'
import { barCell, partOf } from './bar.ts'

const BAR_CELLS = 10
const MIB_A_GIB = 1_024

/** The pool of a host, where its agent tells one. Pure. */
export function poolIn({ status }: Resource<'Host'>): HostPool | undefined {
  return status.pool as HostPool | undefined
}

/** Every host with what is used and promised of it. Pure. */
export function hostTable(hosts: readonly Resource<'Host'>[], nowMs: number): Table {
  const rows = hosts.map((host): Cell[] => {
    const pool = poolIn(host)
    return [
      host.name,
      usedCell(pool, 'cpus'),
      promisedCell(pool, 'cpus'),
      usedCell(pool, 'memoryMiB'),
      promisedCell(pool, 'memoryMiB'),
      pool === undefined ? '' : `${pool.activeMachines} of ${pool.machines}`,
      pool?.use === undefined ? '' : pool.use.load.toFixed(2),
      timeText(Number(host.status.lastSeenMs ?? 0)),
      host.status.maintenance === true ? { text: 'maintenance', tone: 'careful' } : readyCell(host),
      ageText(nowMs - host.createdAtMs),
    ]
  })
  return { columns: COLUMNS, rows, empty: 'no Host' }
}

const COLUMNS = [
  ...['NAME', 'CPU USED', 'CPU PROMISED', 'MEMORY USED', 'MEMORY PROMISED'],
  ...['MACHINES', 'LOAD', 'SEEN', 'READY', 'AGE'],
]

function usedCell(pool: HostPool | undefined, figure: 'cpus' | 'memoryMiB'): Cell {
  const { used, total } = pool?.[figure] ?? {}
  if (used === undefined || total === undefined) return ''
  const { text, tone } = barCell(partOf(used, total), BAR_CELLS)
  return { text: `${text} of ${amountText(total, figure)}`, tone }
}

/** What is promised of the limit; beyond what there is without a ratio it is overcommitted. */
function promisedCell(pool: HostPool | undefined, figure: 'cpus' | 'memoryMiB'): Cell {
  if (pool === undefined) return ''
  const { reserved, limit, overcommitted } = pool[figure]
  const text = `${amountText(reserved, figure)} of ${amountText(limit, figure)}`
  if (reserved > limit) return { text: `${text}, too much`, tone: 'bad' }
  return overcommitted > 0 ? { text: `${text}, overcommitted`, tone: 'careful' } : text
}

/** Processors as they are, memory in GiB. Pure. */
export function amountText(amount: number, figure: 'cpus' | 'memoryMiB'): string {
  if (figure === 'cpus') return String(Math.round(amount * 100) / 100)
  return `${(amount / MIB_A_GIB).toFixed(1)} GiB`
}
