import { stripVTControlCharacters, styleText } from 'node:util'
import type { EcBench } from './bench.ts'
import { type Operation, shapeName, sizeName } from './cases.ts'
import { COLUMN_TITLES, COLUMNS } from './columns.ts'
import { type Goal, isMet } from './goals.ts'
import { geometricMean } from './measure.ts'
import { type Row, ratio, ratios, rowsOf } from './rows.ts'

const KINDS: readonly { operation: Operation; cold: boolean; title: string }[] = [
  { operation: 'enc', cold: false, title: 'encode' },
  { operation: 'dec', cold: false, title: 'decode, m data shards lost' },
  { operation: 'rep', cold: false, title: 'repair of one' },
  { operation: 'upd', cold: false, title: 'update, of the one shard' },
  { operation: 'enc', cold: true, title: 'encode, cold' },
  { operation: 'dec', cold: true, title: 'decode, cold' },
]
/** Over whom the ratios stand in the table. */
const OVER = ['isal', 'debian-isal', 'klauspost', 'limit', 'plain'] as const
const BOUNDS: ReadonlySet<string> = new Set(['limit', 'plain'])
const NONE = '-'
/** Purlin's columns: as it is, with the Cauchy matrix, with streaming stores. */
const OWN: readonly string[] = ['purlin', 'cauchy', 'stream']

/** Text that is coloured where standard output is a terminal that shows colours. */
type Paint = (colour: 'green' | 'red' | 'bold' | 'dim', text: string) => string
const paint: Paint = (colour, text) => styleText(colour, text, { stream: process.stdout })

/** The whole report, line by line. */
export function reportLines(bench: EcBench): readonly string[] {
  const { processor, core, load } = bench.machine
  return [
    paint('bold', 'GB/s of data (10^9 bytes a second of CPU time), medians; ratios of Purlin over'),
    `${processor}; core ${core}; load ${load.map((one) => one.toFixed(1)).join(' to ')}`,
    `${bench.rounds} rounds of ${bench.sliceMs} ms, all sides by turns`,
    ...KINDS.flatMap((kind) => kindLines(bench.rows, kind)),
    '',
    ...kernelLines(bench),
    '',
    ...nodeLines(bench),
    '',
    ...goalLines(bench.goals),
    '',
    ...COLUMNS.map((column) => `${COLUMN_TITLES[column].head}: ${sourceOf(bench, column)}`),
    'limit: the best of memcpy and of every pass that reads k shards and writes their XOR to m (a repair: to one)',
    'plain: the best of memcpy and one such pass that is not made for its numbers of shards',
    'stream: Purlin with streaming stores; cauchy: Purlin with that matrix, as the peers have it',
    'update: ISA-L and rusty are given old XOR new, the others make it',
    ...bench.wrong.map((what) => paint('red', `WRONG BYTES: ${what}`)),
  ]
}

function sourceOf({ missing }: EcBench, column: (typeof COLUMNS)[number]): string {
  const reason = missing[column]
  const { what } = COLUMN_TITLES[column]
  return reason === undefined ? what : `${what}; not run: ${reason}`
}

function kindLines(all: readonly Row[], kind: (typeof KINDS)[number]): readonly string[] {
  const rows = rowsOf(all, kind.operation, kind)
  if (rows.length === 0) return []
  const there = (column: string): boolean => rows.some(({ readings }) => readings[column])
  const sides = [...OWN, ...COLUMNS].filter(there)
  const over = OVER.filter((name) =>
    BOUNDS.has(name) ? rows.some(({ limit }) => limit !== undefined) : there(name),
  )
  const head = (name: string): string =>
    (COLUMNS as readonly string[]).includes(name)
      ? COLUMN_TITLES[name as (typeof COLUMNS)[number]].head
      : name
  // Cold, the streaming stores are the side that has a goal.
  const ours = kind.cold ? 'stream' : 'purlin'
  const isBounded = rows.some(({ limit }) => limit !== undefined)
  const cells = rows.map((row) => [
    shapeName(row),
    ...(isBounded ? [row.limit?.rate.toFixed(1) ?? NONE] : []),
    ...sides.map((side) => row.readings[side]?.rate.toFixed(1) ?? NONE),
    ...over.map((name) => ratioCell(ratio(row, ours, name), name)),
  ])
  const meansOf = (some: readonly Row[]): readonly string[] =>
    over.map((name) => ratioCell(geometricMean(ratios(some, ours, name)), name))
  const sizes = [...new Set(rows.map(({ sizeBytes }) => sizeBytes))]
  const blank = [...(isBounded ? [''] : []), ...sides.map(() => '')]
  return [
    '',
    ...aligned([
      [paint('bold', kind.title), ...(isBounded ? ['limit'] : []), ...sides.map(head)].concat(
        over.map((name) => `${kind.cold ? 'stream' : ''}/${head(name)}`),
      ),
      ...cells,
      ...(sizes.length === 1 ? [] : sizes).map((size) => [
        `geometric mean ${sizeName(size)}`,
        ...blank,
        ...meansOf(rows.filter(({ sizeBytes }) => sizeBytes === size)),
      ]),
      ['geometric mean', ...blank, ...meansOf(rows)],
    ]),
  ]
}

function ratioCell(value: number | undefined, over: string): string {
  if (value === undefined) return NONE
  const text = value.toFixed(2)
  if (BOUNDS.has(over)) return text
  return value < 0.95 ? paint('red', text) : value >= 1 ? paint('green', text) : text
}

function kernelLines({ kernels, rows }: EcBench): readonly string[] {
  const kinds = [
    { operation: 'enc', cold: false } as const,
    { operation: 'dec', cold: false } as const,
  ]
  const table = kernels.map(({ name, available }) => [
    name,
    ...kinds.flatMap((kind) => {
      if (!available) return ['not run', '']
      const of = rowsOf(rows, kind.operation, kind)
      const rates = of.flatMap(({ readings }) => readings[name]?.rate ?? [])
      const over = geometricMean(ratios(of, name, 'debian-isal'))
      return [geometricMean(rates)?.toFixed(1) ?? NONE, over?.toFixed(2) ?? NONE]
    }),
  ])
  const title = paint('bold', 'kernels, geometric means')
  return aligned([[title, 'encode', '/Debian', 'decode', '/Debian'], ...table])
}

function nodeLines({ node }: EcBench): readonly string[] {
  const ns = (value: number): string => `${Math.round(value)} ns`
  const calls = [
    ...(node.call === undefined
      ? []
      : [
          `4+2 4K call ${ns(node.call.callNs)}, kernel ${ns(node.call.kernelNs)}: ${ns(node.call.aboveKernelNs)} above it`,
        ]),
    ...(node.batch === undefined
      ? []
      : [
          `4+2 64K batch ${ns(node.batch.stripeNs)} a stripe, kernel ${ns(node.batch.kernelNs)}: ${node.batch.overKernel.toFixed(3)} of it`,
        ]),
  ]
  return [
    paint('bold', 'Node'),
    ...calls,
    ...aligned([
      ['4+2, CPU time a call', 'sync', 'async, awaited', 'async, 16 in flight'],
      ...node.async.map(({ sizeBytes, syncNs, awaitedNs, queuedNs }) => [
        sizeName(sizeBytes),
        ns(syncNs),
        ns(awaitedNs),
        ns(queuedNs),
      ]),
    ]),
    ...(node.peers.length === 0
      ? []
      : aligned([
          ['encode, sync', 'GB/s', '/@ronomon'],
          ...node.peers.map((peer) => [
            shapeName(peer),
            peer.rate.toFixed(1),
            peer.overRonomon.toFixed(1),
          ]),
        ])),
  ]
}

function goalLines(goals: readonly Goal[]): readonly string[] {
  const table = goals.map((goal) => {
    const met = isMet(goal)
    const verdict =
      met === undefined ? 'not run' : met ? paint('green', 'met') : paint('red', 'missed')
    const { name, atMost, wanted, found } = goal
    const figure = found === undefined ? NONE : found.toFixed(atMost && wanted > 10 ? 0 : 2)
    return [name, `${atMost ? '<=' : '>='} ${wanted}`, figure, verdict]
  })
  return aligned([[paint('bold', 'goals (geometric means)'), 'wanted', 'found', ''], ...table])
}

/** Columns: the first to the left, the others to the right. Colours take no room. */
function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const width = (word: string): number => [...stripVTControlCharacters(word)].length
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => width(row[column] ?? ''))),
  )
  return rows.map((row) =>
    row
      .map((word, column) => {
        const room = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(word)))
        return column === 0 ? word + room : room + word
      })
      .join('  ')
      .trimEnd(),
  )
}
