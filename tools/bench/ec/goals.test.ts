import test from 'ava'
import type { Operation } from './cases.ts'
import { drawChart } from './chart.ts'
import { isMet, judge } from './goals.ts'
import { rowsOfShape } from './native-rows.ts'
import type { NodeFigures } from './node-figures.ts'
import { reportLines } from './report.ts'
import { type Row, ratio } from './rows.ts'

const reading = (rate: number) => ({ rate, rateLeast: rate, rateMost: rate, callNs: 1 })
const NODE: NodeFigures = {
  call: { callNs: 350, kernelNs: 100, aboveKernelNs: 250 },
  batch: { stripeNs: 104, kernelNs: 100, overKernel: 1.04 },
  peers: [
    { k: 4, m: 2, sizeBytes: 4096, rate: 40, overRonomon: 10 },
    { k: 8, m: 3, sizeBytes: 4096, rate: 40, overRonomon: 40 },
  ],
  async: [],
}

function row(operation: Operation, k: number, rates: Record<string, number>, cold = false): Row {
  const { limit, ...sides } = rates
  const readings = Object.fromEntries(
    Object.entries(sides).map(([name, rate]) => [name, reading(rate)]),
  )
  const bound =
    limit === undefined ? {} : { limit: { rate: limit, pass: 'z256', plainRate: limit / 2 } }
  return { k, m: 2, sizeBytes: 4096, operation, cold, readings, ...bound }
}

const ROWS = [
  row('enc', 4, { purlin: 60, isal: 30, limit: 60, avx2: 20, 'debian-isal': 10 }),
  row('enc', 8, { purlin: 30, isal: 33, limit: 40, avx2: 5, 'debian-isal': 20 }),
  row('enc', 4, { stream: 12, purlin: 10, isal: 10 }, true),
]

test('a goal is judged by the geometric mean of the hot cases, and the least case by itself', (t) => {
  const goals = new Map(judge(ROWS, NODE, true).map((goal) => [goal.name, goal]))
  const found = (name: string) => goals.get(name)?.found?.toFixed(3)
  t.is(found('encode over ISA-L 2.31'), Math.sqrt((2 * 30) / 33).toFixed(3))
  t.is(found('encode over ISA-L 2.31, least case'), (30 / 33).toFixed(3))
  t.is(found('encode over the limit'), Math.sqrt(0.75).toFixed(3))
  t.is(found('cold encode, streaming, over ISA-L'), '1.200')
  t.is(found('Node over @ronomon at 4K'), '20.000')
  const met = (name: string) => {
    const goal = goals.get(name)
    return goal === undefined ? undefined : isMet(goal)
  }
  t.false(met('encode over ISA-L 2.31, least case'))
  t.true(met('cold encode, streaming, over ISA-L'))
  t.false(met('Node 4+2 4K call above the kernel, ns'))
  t.true(met('Node 4+2 64K batch over the kernel, time'))
})

test('goals without a reading, or of the fastest kernel on a lesser processor, are not run', (t) => {
  const goals = new Map(judge(ROWS, { peers: [], async: [] }, false).map((one) => [one.name, one]))
  for (const name of [
    'encode over ISA-L 2.31',
    'decode over the limit',
    'Node over @ronomon at 1M',
  ]) {
    const goal = goals.get(name)
    t.truthy(goal)
    if (goal !== undefined) t.is(isMet(goal), undefined)
  }
  t.is(goals.get('AVX2 encode over Debian’s ISA-L')?.found?.toFixed(3), Math.sqrt(0.5).toFixed(3))
})

test('a repair is held against the pass that writes one shard, the others against that of m', (t) => {
  const byKey = {
    'enc purlin': reading(10),
    'rep purlin': reading(20),
    'upd purlin': reading(5),
    'limit memcpy': reading(11),
    'limit plain': reading(9),
    'limit z64': reading(12),
    'limit-of-one z64': reading(24),
    'limit-of-one plain': reading(20),
  }
  const rows = rowsOfShape({ k: 4, m: 2, sizeBytes: 64 }, false, { byKey, wrong: [] })
  t.deepEqual(
    rows.map(({ operation, limit }) => [operation, limit?.rate]),
    [
      ['enc', 12],
      ['rep', 24],
      ['upd', undefined],
    ],
  )
  t.is(rows[0] && ratio(rows[0], 'purlin', 'limit'), 10 / 12)
  t.is(rows[0] && ratio(rows[0], 'purlin', 'plain'), 10 / 11)
})

const BENCH = {
  machine: { processor: 'a <processor> & more', core: 1, load: [0, 1] },
  rounds: 3,
  sliceMs: 5,
  kernels: [
    { name: 'avx2', available: true },
    { name: 'neon', available: false },
  ],
  missing: { klauspost: 'go: not found' },
  rows: ROWS,
  node: NODE,
  goals: judge(ROWS, NODE, true),
  wrong: ['isal (enc 4 2 4096 1 5)'],
} as const

test('the report names kernels and goals that were not run, peers that are missing, wrong bytes', (t) => {
  const lines = reportLines(BENCH)
  t.true(lines.some((line) => /^neon\s+not run/.test(line)))
  t.true(lines.some((line) => /^decode over the limit .* not run$/.test(line)))
  t.true(lines.some((line) => /^encode over ISA-L 2.31 .* missed$/.test(line)))
  t.true(lines.some((line) => /klauspost.*not run: go: not found/.test(line)))
  t.true(lines.some((line) => /WRONG BYTES: isal/.test(line)))
})

test('the picture has a bar a reading and a tick a limit, its words escaped', (t) => {
  const picture = drawChart(BENCH)
  t.regex(picture, /^<svg .*<\/svg>\n$/s)
  t.true(picture.includes('a &lt;processor> &amp; more'))
  // Seven squares of the legend, the ground, and the hot encode readings that have a column.
  t.is(picture.match(/<rect /g)?.length, 7 + 1 + 6)
  t.is(picture.match(/4\+2 4K/g)?.length, 1)
})
