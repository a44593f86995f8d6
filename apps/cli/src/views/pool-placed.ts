import type { PlacedAnswer } from '@purlin/schema'
import { sizeText } from '../output/byte-progress.ts'
import { renderTable } from '../output/table.ts'
import { survivalTable } from './pool-survival.ts'

/** What is really placed in a pool: bytes by disk, the failures that it survives, what is not
 *  where it ought to be. Pure. */
export function placedText(pool: string, placed: PlacedAnswer, colours: boolean): string {
  const { policy, faultDomain, stripes, disks } = placed
  const rows = disks.map(({ name, server, capacityBytes, storedBytes }) => [
    name,
    server,
    sizeText(storedBytes),
    `${((storedBytes / Math.max(1, capacityBytes)) * 100).toFixed(1)} %`,
  ])
  return [
    `pool ${pool}: ${policy} over ${faultDomain}s, ${stripes} stripes\n\n`,
    renderTable({ columns: ['DISK', 'SERVER', 'STORED', 'FILL'], rows, empty: '' }, colours),
    ...placed.placed.flatMap(({ tolerates, stripes: count, diskSets, survival }) => [
      `\n${count} stripes on ${diskSets} different sets of disks can lose ${tolerates} shards:\n\n`,
      survivalTable(
        survival.map(({ fatalSets, ...at }) => ({
          ...at,
          ...(fatalSets !== null && { fatalSets: { count: fatalSets[0], of: fatalSets[1] } }),
        })),
        colours,
      ),
    ]),
    `\n${amissText(placed)}\n`,
  ].join('')
}

function amissText({ misplacedBytes, homelessBytes, lostBytes, leastBytes }: PlacedAnswer): string {
  const { server, rack, room, across } = leastBytes
  const parts = [
    [misplacedBytes, 'not where placement wants them'],
    [homelessBytes, 'on disks that are to be emptied'],
    [lostBytes, 'lost with their disks, to be rebuilt'],
  ] as const
  const told = parts
    .filter(([bytes]) => bytes > 0)
    .map(([bytes, text]) => `${sizeText(bytes)} ${text}`)
  const least = `the least to move: ${sizeText(server)} within servers, ${sizeText(rack)} within racks, ${sizeText(room)} within rooms, ${sizeText(across)} across`
  return told.length === 0
    ? 'everything is where placement wants it'
    : `${told.join('; ')}\n${least}`
}
