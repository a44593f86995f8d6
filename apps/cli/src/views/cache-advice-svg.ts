import { sizeText } from '../output/byte-progress.ts'

// The library is loaded on demand, its types too.
type AdviceOutcome = import('@purlin/cache-native').AdviceOutcome
type AdviceRow = import('@purlin/cache-native').AdviceRow

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT] = [720, 420, 60, 50, 60, 150]
const COLOURS: Readonly<Record<AdviceRow['mode'], string>> = {
  writethrough: '#0969da',
  writeback: '#1a7f37',
}

/** A curve for each mode: how many of the requests the disk is spared, over the size of the SSD,
 *  with a ring at each knee (SVG 1.1). It needs no font or file from elsewhere. Pure. */
export function adviceSvg(
  { requests, distinctPages, rows }: AdviceOutcome,
  knees: readonly AdviceRow[],
  trace: string,
): string {
  const largest = Math.max(1, ...rows.map(({ sizeBytes }) => sizeBytes))
  const x = (row: AdviceRow): number =>
    Math.round(LEFT + (row.sizeBytes / largest) * (WIDTH - LEFT - RIGHT))
  const y = (part: number): number => Math.round(TOP + (1 - part) * (HEIGHT - TOP - BOTTOM))
  const spared = (row: AdviceRow): number => Math.max(0, 1 - row.diskRequestsPerRequest)
  const curves = [...new Set(rows.map(({ mode }) => mode))].flatMap((mode, index) => {
    const own = rows.filter((row) => row.mode === mode)
    const points = own.map((row) => `${x(row)},${y(spared(row))}`).join(' ')
    const colour = COLOURS[mode]
    const textY = TOP + 20 * (index + 1)
    return [
      `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...own.map((row) => `<circle cx="${x(row)}" cy="${y(spared(row))}" r="3" fill="${colour}"/>`),
      text(WIDTH - RIGHT + 16, textY, mode, colour),
    ]
  })
  const rings = knees.flatMap((row) => [
    `<circle cx="${x(row)}" cy="${y(spared(row))}" r="8" fill="none" stroke="${COLOURS[row.mode]}"/>`,
    text(x(row) + 12, y(spared(row)) + 16, sizeText(row.sizeBytes), COLOURS[row.mode]),
  ])
  const lines = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
    `<line x1="${LEFT}" y1="${y(part)}" x2="${WIDTH - RIGHT}" y2="${y(part)}" stroke="#d0d7de"/>`,
    text(12, y(part) + 4, `${part * 100} %`, '#57606a'),
  ])
  const title = `${trace}: requests that the disk is spared`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>${escaped(title)}</title>`,
    '<style>text{font:12px sans-serif}</style>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 24, title, '#1b1f24'),
    ...lines,
    ...curves,
    ...rings,
    text(LEFT, HEIGHT - 32, '0', '#57606a'),
    text(WIDTH - RIGHT - 40, HEIGHT - 32, sizeText(largest), '#57606a'),
    text(LEFT, HEIGHT - 12, `${requests} requests for ${distinctPages} pages; SSD`, '#57606a'),
    '</svg>\n',
  ].join('\n')
}

function text(x: number, y: number, words: string, colour: string): string {
  return `<text x="${x}" y="${y}" fill="${colour}">${escaped(words)}</text>`
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
