import { sizeText } from '../output/byte-progress.ts'
import { coloured } from '../output/tone.ts'
import type { NamedDisk, NamedPool } from '../pool-manifest.ts'

const BAR_CELLS = 20

interface Node {
  readonly text: string
  readonly children: readonly Node[]
}

/** The pool's picture: data centres, rooms, racks, servers and disks, each disk with a bar of how
 *  full it can become before the first one of the pool is full. Places without a disk are left out.
 *  Shape: `fills` is a part of 1 for each disk's name. Pure. */
export function poolTree(
  pool: NamedPool,
  fills: ReadonlyMap<string, number>,
  colours: boolean,
): string {
  const width = Math.max(0, ...pool.disks.map(({ name }) => name.length))
  const leaf = (disk: NamedDisk): Node => ({
    text: `${disk.name.padEnd(width)}  ${diskText(disk, fills.get(disk.name) ?? 0, colours)}`,
    children: [],
  })
  const serverNode = (label: string): Node[] => {
    const disks = pool.disks.filter(({ server }) => server === label)
    return disks.length === 0 ? [] : [{ text: label, children: disks.map(leaf) }]
  }
  const { roots } = pool.topology
  const inner = (text: string, children: readonly Node[]): Node[] =>
    children.length === 0 ? [] : [{ text, children }]
  const nodes =
    roots.length === 0
      ? [...new Set(pool.disks.map(({ server }) => server))].flatMap(serverNode)
      : roots.flatMap(({ datacenter, rooms }) =>
          inner(
            datacenter,
            rooms.flatMap(({ room, racks }) =>
              inner(
                room,
                racks.flatMap(({ rack, servers }) => inner(rack, servers.flatMap(serverNode))),
              ),
            ),
          ),
        )
  return nodes.map((node) => `${node.text}\n${branches(node.children, '')}`).join('')
}

function branches(nodes: readonly Node[], indent: string): string {
  return nodes
    .map(({ text, children }, index) => {
      const last = index === nodes.length - 1
      const below = branches(children, `${indent}${last ? '   ' : '│  '}`)
      return `${indent}${last ? '└─ ' : '├─ '}${text}\n${below}`
    })
    .join('')
}

function diskText({ capacityBytes, media }: NamedDisk, fill: number, colours: boolean): string {
  const cells = Math.round(fill * BAR_CELLS)
  const bar = '█'.repeat(cells) + '·'.repeat(BAR_CELLS - cells)
  const tone = fill < 0.9 ? 'careful' : 'good'
  const percent = `${Math.round(fill * 100)} %`.padStart(5)
  return `${coloured(bar, tone, colours)} ${percent} of ${sizeText(capacityBytes)}${media ? ` ${media}` : ''}`
}
