import { sizeText } from '../output/byte-progress.ts'
import { renderTable } from '../output/table.ts'

type Movement = import('@purlin/block-native').Movement

/** What becoming another pool moves. */
export interface PoolChange {
  readonly pool: string
  readonly before: string
  readonly after: string
  readonly expand: 'newGroup' | 'rebalance'
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** Data in the volumes. */
  readonly volumeBytes: number
  readonly movement: Movement
  readonly usableBytesBefore: number
  readonly usableBytesAfter: number
}

const WAYS = {
  server: 'within a server',
  rack: 'within a rack',
  room: 'within a room',
  across: 'across rooms',
} as const

/** Bytes moved by distance, beside the least. Pure. */
export function changeText(change: PoolChange): string {
  const { movement, added, removed } = change
  const { movedBytes, leastBytes, createdBytes, storedBytes } = movement
  const row = (way: string, moved: number, least: number) => [way, sizeText(moved), sizeText(least)]
  const ways = Object.keys(WAYS) as readonly (keyof typeof WAYS)[]
  const sum = (bytes: Movement['movedBytes']) => ways.reduce((all, way) => all + bytes[way], 0)
  const [moved, least] = [sum(movedBytes), sum(leastBytes)]
  const table = renderTable(
    {
      columns: ['SHARDS MOVE', 'BYTES', 'THE LEAST'],
      rows: [
        ...ways.map((way) => row(WAYS[way], movedBytes[way], leastBytes[way])),
        row('together', moved, least),
      ],
      empty: '',
    },
    false,
  )
  return [
    `pool ${change.pool}: ${change.before}${change.after === change.before ? '' : ` becomes ${change.after}`}\n`,
    ...(added.length > 0 ? [`added (expand: ${change.expand}): ${added.join(', ')}\n`] : []),
    ...(removed.length > 0 ? [`removed: ${removed.join(', ')}\n`] : []),
    `volumes hold ${sizeText(change.volumeBytes)}, on disks ${sizeText(storedBytes)}\n\n`,
    table,
    ...(least > 0 ? [`that is ${(moved / least).toFixed(2)} times the least\n`] : []),
    ...(createdBytes > 0 ? [`further replicas: ${sizeText(createdBytes)}\n`] : []),
    `usable: ${sizeText(change.usableBytesBefore)} before, ${sizeText(change.usableBytesAfter)} after\n`,
  ].join('')
}
