import test from 'ava'
import { allGuards, allOpen } from '../policy/filtered-nic.ts'
import { sampleNic } from '../testing/sample.ts'
import { nicFilter } from './nic-filter.ts'
import { nothingObserved } from './observed.ts'

test('a NIC shows which guards are off and what passes its lists by itself', (t) => {
  const nic = {
    ...sampleNic('a', ['web']),
    guards: { ...allGuards, ipv4Source: false },
    alwaysOpen: { ...allOpen, icmpErrors: false },
  }
  t.deepEqual(nicFilter(nic, nothingObserved, true), {
    filter: 'enforced',
    guardsOff: ['ipv4Source'],
    alwaysOpen: ['dhcpRequests', 'dhcpAnswers', 'routerAdvertisements', 'neighbourDiscovery'],
  })
})

test('a NIC without groups is under its guards only', (t) => {
  t.like(nicFilter(sampleNic('a', []), nothingObserved, true), {
    filter: 'guardsOnly',
    alwaysOpen: [],
  })
})

test('a NIC whose rules are not in the kernel, or whose path cannot enforce them, says why', (t) => {
  t.like(nicFilter(sampleNic('a', ['web']), nothingObserved, false), {
    filter: 'notEnforced',
    reason: 'chain bridge/base-managed is missing',
  })
  const trunk = { ...sampleNic('a', ['web']), filtered: false, trunk: true }
  t.like(nicFilter(trunk, nothingObserved, true), {
    filter: 'notEnforced',
    reason: 'its port group is a trunk, and lists cannot see into tagged frames',
  })
})
