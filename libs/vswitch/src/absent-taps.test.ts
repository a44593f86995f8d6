import test from 'ava'
import { AbsentTaps } from './absent-taps.ts'
import type { VswitchObserved } from './observed.ts'

const key = '0a1b2c3d'
type Seen = Pick<VswitchObserved, 'links' | 'switchPorts'>
const seen = (...names: readonly string[]): Seen =>
  ({
    links: new Map(names.map((name) => [name, { name, alias: 'purlin:port=web-1.eth0' }])),
    switchPorts: new Map(),
  }) as unknown as Seen

test('a port is unused once its tap was away for two minutes on end', (t) => {
  const taps = new AbsentTaps()
  const parts = [`pbr-${key}`, `pin-${key}`, `pout-${key}`]
  t.is(taps.look(seen(...parts), 0).size, 0)
  t.is(taps.look(seen(...parts), 119_000).size, 0)
  t.is(taps.look(seen(...parts, `ptap-${key}`), 119_500).size, 0)
  t.is(taps.look(seen(...parts), 121_000).size, 0, 'it was there meanwhile')
  t.deepEqual([...taps.look(seen(...parts), 241_000)], [key])
  t.is(taps.look(seen(), 242_000).size, 0)
  t.is(taps.look(seen(...parts), 400_000).size, 0, 'another port of the key begins anew')
})
