import test from 'ava'
import fc from 'fast-check'
import { exportMetrics } from './export.ts'

const one = (instance: string, series: Readonly<Record<string, number>>) => {
  const keys = Object.keys(series).sort()
  const values = Float64Array.from(keys, (key) => series[key] ?? 0)
  return { instance, chassis: `${instance}-chassis`, keys, values }
}

test('the series of a metric stand together, with instance and chassis, whoever has it', (t) => {
  const text = [
    ...exportMetrics([
      one('a', { 'node_load1{}': 1, 'node_load15{}': 2, 'node_cpu_seconds_total{cpu="0"}': 3.5 }),
      one('b', { 'node_load1{}': Number.NaN, 'node_z{}': Number.NEGATIVE_INFINITY }),
    ]),
  ].join('')
  t.is(
    text,
    `# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{instance="a",chassis="a-chassis",cpu="0"} 3.5
# TYPE node_load15 gauge
node_load15{instance="a",chassis="a-chassis"} 2
# TYPE node_load1 gauge
node_load1{instance="a",chassis="a-chassis"} 1
node_load1{instance="b",chassis="b-chassis"} NaN
# TYPE node_z gauge
node_z{instance="b",chassis="b-chassis"} -Inf
`,
  )
})

test('every series of everybody is there once, and each metric is begun once', (t) => {
  const key = fc.stringMatching(/^node_[a-c_]{0,3}\{(l="[a-b]{0,2}")?\}$/)
  const series = fc.dictionary(key, fc.nat(), { maxKeys: 12 })
  fc.assert(
    fc.property(fc.array(series, { maxLength: 5 }), (all) => {
      const lines = [...exportMetrics(all.map((of, index) => one(`i${index}`, of)))]
        .join('')
        .split('\n')
        .filter((line) => line !== '')
      const begun = lines.filter((line) => line.startsWith('#'))
      t.is(new Set(begun).size, begun.length)
      const count = all.reduce((sum, of) => sum + Object.keys(of).length, 0)
      t.is(lines.length - begun.length, count)
      let metric = ''
      for (const line of lines) {
        if (line.startsWith('#')) metric = line.split(' ')[2] ?? ''
        else t.true(line.startsWith(`${metric}{`))
      }
    }),
  )
})
