import { type ErrorCode, PurlinError } from '@purlin/base'
import test from 'ava'
import { type HostView, UNSEEN_LANE } from './host-view.ts'
import { takenNames } from './taken-names.ts'

function viewOf(code: ErrorCode, context: Record<string, unknown> = {}): HostView {
  const error = new PurlinError(code, { message: 'it is taken', context })
  const lanes = {
    netfilter: UNSEEN_LANE,
    vswitch: UNSEEN_LANE,
    virt: UNSEEN_LANE,
    storage: UNSEEN_LANE,
  }
  const failing = { ...UNSEEN_LANE, failure: { summary: 'make dvs0', error } }
  return { facts: new Set(), lanes: { ...lanes, vswitch: failing }, machines: new Map() }
}

test('a name, a domain and a table that somebody else has are told in the driver’s words', (t) => {
  for (const code of ['PUR_SWITCH_NAME_TAKEN', 'PUR_VIRT_NAME_TAKEN'] as const) {
    t.deepEqual(takenNames(viewOf(code)), [
      { what: 'vswitch', name: 'make dvs0', told: 'it is taken' },
    ])
  }
  t.like(takenNames(viewOf('PUR_NFT_REFUSED', { table: 'inet purlin' }))[0], {
    name: 'inet purlin',
  })
})

test('any other failure is no taken name', (t) => {
  t.deepEqual(takenNames(viewOf('PUR_NFT_REFUSED')), [])
  t.deepEqual(takenNames(viewOf('PUR_OVS_UNREACHABLE')), [])
})
