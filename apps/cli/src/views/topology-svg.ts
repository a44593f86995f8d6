import type { Topology } from './topology.ts'

const COLUMN_WIDTH = 220
const GAP = 24
const LINE_HEIGHT = 18
const PADDING = 10
const MARGIN = 20

interface Box {
  readonly x: number
  readonly y: number
  readonly title: string
  readonly lines: readonly string[]
  readonly style: 'uplink' | 'group' | 'port' | 'port-off'
}

/** The switch as a picture of its own (SVG 1.1): uplinks above the switch, port groups below it,
 *  each with its ports. It needs no font or file from elsewhere. Pure. */
export function topologySvg(topology: Topology): string {
  const columns = Math.max(topology.uplinks.length, topology.groups.length, 2)
  const width = columns * (COLUMN_WIDTH + GAP) - GAP + 2 * MARGIN
  const xOf = (index: number): number => MARGIN + index * (COLUMN_WIDTH + GAP)
  const uplinks = topology.uplinks.map(
    ({ name, words }, index): Box => ({
      ...{ x: xOf(index), y: MARGIN, title: name, lines: words, style: 'uplink' },
    }),
  )
  const barY = MARGIN + tallest(uplinks) + (uplinks.length > 0 ? GAP : 0)
  const barHeight = 2 * LINE_HEIGHT + PADDING
  const groupsY = barY + barHeight + GAP
  const groups = topology.groups.map(
    ({ name, words }, index): Box => ({
      ...{ x: xOf(index), y: groupsY, title: name, lines: words, style: 'group' },
    }),
  )
  const portsY = groupsY + tallest(groups) + GAP
  const ports = topology.groups.flatMap((group, index) => {
    let y = portsY
    return group.ports.map(({ name, words, ready }): Box => {
      const style = ready ? 'port' : 'port-off'
      const box: Box = { x: xOf(index), y, title: name, lines: words, style }
      y += heightOf(box) + PADDING
      return box
    })
  })
  const boxes = [...uplinks, ...groups, ...ports]
  const bottom = Math.max(barY + barHeight, ...boxes.map((box) => box.y + heightOf(box)))
  const middle = (box: Box): number => box.x + COLUMN_WIDTH / 2
  const lines = [
    ...uplinks.map((box) => wire(middle(box), box.y + heightOf(box), barY)),
    ...groups.map((box) => wire(middle(box), barY + barHeight, box.y)),
    ...ports.map((box) => {
      const group = groups.find(({ x }) => x === box.x)
      return wire(middle(box), group === undefined ? box.y : group.y + heightOf(group), box.y)
    }),
  ]
  const height = bottom + MARGIN
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(`switch ${topology.name}`)}</title>`,
    `<style>${STYLE}</style>`,
    ...lines,
    `<g class="switch"><rect x="${MARGIN}" y="${barY}" width="${width - 2 * MARGIN}" height="${barHeight}" rx="4"/>`,
    text(MARGIN + PADDING, barY + LINE_HEIGHT, topology.name, 'title'),
    `${text(MARGIN + PADDING, barY + 2 * LINE_HEIGHT, topology.words.join(' · '), 'word')}</g>`,
    ...boxes.map(drawn),
    '</svg>\n',
  ].join('\n')
}

const STYLE = [
  'text{font:12px sans-serif;fill:#1b1f24}',
  '.title{font-weight:bold}',
  'rect{fill:#fff;stroke:#57606a}',
  '.switch rect{fill:#ddf4ff;stroke:#0969da}',
  '.uplink rect{fill:#fff8c5;stroke:#9a6700}',
  '.group rect{fill:#f6f8fa}',
  '.port rect{stroke:#1a7f37}',
  '.port-off rect{stroke:#cf222e;stroke-dasharray:4 3}',
  'line{stroke:#57606a}',
].join('')

function drawn(box: Box): string {
  const inside = box.lines.map((line, index) =>
    text(box.x + PADDING, box.y + (index + 2) * LINE_HEIGHT, shortened(line), 'word'),
  )
  return [
    `<g class="${box.style}"><rect x="${box.x}" y="${box.y}" width="${COLUMN_WIDTH}" height="${heightOf(box)}" rx="4"/>`,
    text(box.x + PADDING, box.y + LINE_HEIGHT, shortened(box.title), 'title'),
    ...inside,
    '</g>',
  ].join('')
}

function heightOf({ lines }: Box): number {
  return (lines.length + 1) * LINE_HEIGHT + PADDING
}

function tallest(boxes: readonly Box[]): number {
  return Math.max(0, ...boxes.map(heightOf))
}

function wire(x: number, fromY: number, toY: number): string {
  return `<line x1="${x}" y1="${fromY}" x2="${x}" y2="${toY}"/>`
}

function text(x: number, y: number, words: string, kind: 'title' | 'word'): string {
  return `<text x="${x}" y="${y}" class="${kind}">${escaped(words)}</text>`
}

function shortened(words: string): string {
  const limit = 32
  return words.length <= limit ? words : `${words.slice(0, limit - 1)}…`
}

function escaped(words: string): string {
  return words
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
