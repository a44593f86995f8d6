import test from 'ava'
import fc from 'fast-check'
import { editedMap } from './edited-map.ts'

const key = fc.integer({ min: 0, max: 200 })
const value = fc.option(fc.integer(), { nil: undefined })
const start = fc.integer({ min: 0, max: 150 })
const edits = fc.array(fc.array(fc.tuple(key, value), { maxLength: 20 }), { maxLength: 12 })

test('an edited map is what a copied one would be, and its former ones stay', (t) => {
  const property = fc.property(start, edits, (count, rounds) => {
    let map: ReadonlyMap<number, number> = new Map(
      Array.from({ length: count }, (_none, index) => [index, index]),
    )
    const copy = new Map(map)
    const formers: [ReadonlyMap<number, number>, ReadonlyMap<number, number>][] = []
    for (const round of rounds) {
      formers.push([map, new Map(copy)])
      map = editedMap(map, round)
      for (const [at, to] of round) {
        if (to === undefined) copy.delete(at)
        else copy.set(at, to)
      }
    }
    for (const [former, kept] of [...formers, [map, copy] as const]) {
      t.is(former.size, kept.size)
      t.deepEqual([...former.keys()].sort(), [...kept.keys()].sort())
      t.deepEqual([...former.values()].sort(), [...kept.values()].sort())
      for (let at = 0; at <= 200; at++) {
        t.is(former.get(at), kept.get(at))
        t.is(former.has(at), kept.has(at))
      }
      former.forEach((one, at) => {
        t.is(kept.get(at), one)
      })
    }
  })
  t.notThrows(() => fc.assert(property, { numRuns: 60 }))
})
