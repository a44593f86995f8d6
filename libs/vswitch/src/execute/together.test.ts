import { devicesOf } from '@purlin/schema'
import test from 'ava'
import type { VswitchStep } from '../plan/step.ts'
import { together } from './together.ts'

const lane = { summary: '', requires: [], forbids: [], deadlineMs: 1 }
const unplugs = (count: number): readonly VswitchStep[] =>
  Array.from({ length: count }, (_none, index) => ({
    ...lane,
    kind: 'unplug',
    port: `web-${index}.eth0`,
    devices: devicesOf(index.toString(16).padStart(8, '0')),
  }))
const withdraw: VswitchStep = { ...lane, kind: 'withdraw', portGroup: 'prod' }

test('ports that follow each other go together up to a bound, other steps alone', (t) => {
  t.is(together([...unplugs(3), withdraw, ...unplugs(2)]), 3)
  t.is(together([withdraw, withdraw]), 1)
  t.is(together(unplugs(1)), 1)
  t.is(together(unplugs(500)), 64)
})
