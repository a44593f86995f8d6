import type { EcBench } from './bench.ts'
import { type Operation, shapeName } from './cases.ts'
import { COLUMN_TITLES, COLUMNS } from './columns.ts'
import { type Row, rowsOf } from './rows.ts'

/** Sides of the picture: Purlin, then the peers. Colours that are told apart by most eyes (Okabe
 *  and Ito, 2008). */
const SIDES: readonly { readonly name: string; readonly title: string; readonly fill: string }[] = [
  { name: 'purlin', title: 'Purlin', fill: '#0072b2' },
  ...COLUMNS.map((name, index) => ({
    name,
    title: COLUMN_TITLES[name].head,
    fill: ['#e69f00', '#d55e00', '#009e73', '#cc79a7', '#f0e442', '#999999'][index] ?? '#000000',
  })),
]
const PANELS: readonly { operation: Operation; title: string }[] = [
  { operation: 'enc', title: 'Encode' },
  { operation: 'dec', title: 'Decode, m data shards lost' },
]
const BAR = 7
const GAP = 16
const LEFT = 56
const PLOT = 240
const TOP = 64
const PANEL = PLOT + 96

/** A picture of the hot cases: bars in GB/s of data, and a tick where the machine's limit is.
 *  Pure; an SVG text. */
export function drawChart({ rows, machine }: EcBench): string {
  const kinds = PANELS.map(({ operation, title }) => ({
    title,
    rows: rowsOf(rows, operation, { cold: false }),
  }))
  const cases = Math.max(1, ...kinds.map((kind) => kind.rows.length))
  const group = SIDES.length * BAR + GAP
  const width = LEFT + cases * group + 24
  const height = TOP + kinds.length * PANEL
  const legend = SIDES.map(({ title, fill }, index) => {
    const x = LEFT + index * 100
    return `<rect x="${x}" y="34" width="12" height="12" fill="${fill}"/>${text(x + 18, 44, title)}`
  })
  const tick = LEFT + SIDES.length * 100
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"`,
    ` font-family="sans-serif" font-size="11" fill="#222222">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    text(LEFT, 20, `GB/s of data, one core, CPU time, caches warm: ${machine.processor}`),
    ...legend,
    `<path d="M${tick} 40h14" stroke="#000000" stroke-width="2"/>${text(tick + 20, 44, 'limit')}`,
    ...kinds.map((kind, index) => panel(kind.title, kind.rows, TOP + index * PANEL, group)),
    '</svg>\n',
  ].join('')
}

function panel(title: string, rows: readonly Row[], top: number, group: number): string {
  const rates = rows.flatMap(({ readings, limit }) => [
    ...SIDES.flatMap(({ name }) => readings[name]?.rate ?? []),
    limit?.rate ?? 0,
  ])
  const most = Math.max(20, Math.ceil(Math.max(0, ...rates) / 20) * 20)
  const base = top + 24 + PLOT
  const y = (rate: number): number => Math.round((base - (rate / most) * PLOT) * 10) / 10
  const step = most > 120 ? 40 : 20
  const lines = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step)
  const grid = lines.map((rate) => {
    const path = `M${LEFT} ${y(rate)}H${LEFT + rows.length * group}`
    const label = text(LEFT - 8, y(rate) + 4, String(rate), 'end')
    return `<path d="${path}" stroke="#dddddd"/>${label}`
  })
  const bars = rows.flatMap((row, place) => {
    const left = LEFT + place * group + GAP / 2
    const middle = left + (SIDES.length * BAR) / 2
    const ofSides = SIDES.flatMap(({ name, fill }, index) => {
      const rate = row.readings[name]?.rate
      if (rate === undefined) return []
      const [x, high] = [left + index * BAR, y(rate)]
      const height = Math.round((base - high) * 10) / 10
      return [`<rect x="${x}" y="${high}" width="${BAR - 1}" height="${height}" fill="${fill}"/>`]
    })
    const limit =
      row.limit === undefined
        ? ''
        : `<path d="M${left - 2} ${y(row.limit.rate)}h${SIDES.length * BAR + 3}" stroke="#000000"/>`
    const turned = `transform="rotate(-35 ${middle} ${base + 16})"`
    const label = `<text x="${middle}" y="${base + 16}" text-anchor="end" ${turned}>`
    return [...ofSides, limit, `${label}${shapeName(row)}</text>`]
  })
  return [text(LEFT, top + 14, title), ...grid, ...bars].join('')
}

function text(x: number, y: number, words: string, anchor: 'start' | 'end' = 'start'): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped}</text>`
}
