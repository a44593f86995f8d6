import type { RuleHits } from '@purlin/netfilter'
import { kinds } from '@purlin/schema'
import { catalogueOf } from '@purlin/service'
import test from 'ava'
import { shownHits } from './hits.ts'

const rule = { family: 'ipv4', protocol: 'all', action: 'allow' }
const manifest = kinds.SecurityGroup.manifest.parse({
  kind: 'SecurityGroup',
  name: 'web',
  spec: {
    inbound: [
      { ...rule, id: 'a' },
      { ...rule, id: 'b' },
    ],
    outbound: [rule],
  },
})
const record = { manifest, uid: 'u', generation: 1, createdAtMs: 1, revision: 1 }
const catalogue = catalogueOf(new Map([['/resource/SecurityGroup/web', record]]), 1)

function hit(direction: 'inbound' | 'outbound', id: string, packets: bigint): RuleHits {
  return { direction, id, packets, bytes: packets * 60n }
}

const counted = [
  hit('inbound', 'default', 9n),
  hit('inbound', 'open/dhcp-answer', 1n),
  hit('inbound', 'web/inbound/b', 2n),
  hit('inbound', 'web/inbound/gone', 7n),
  hit('inbound', 'web/members', 3n),
  hit('outbound', 'web/outbound/0', 4n),
]

test('hits are told by the place at which a rule stands now, in the order of the lists', (t) => {
  t.deepEqual(shownHits(counted, catalogue, 'web'), [
    { direction: 'inbound', type: 'members', group: 'web', packets: 3, bytes: 180 },
    {
      direction: 'inbound',
      type: 'rule',
      group: 'web',
      priority: 1,
      id: 'b',
      packets: 2,
      bytes: 120,
    },
    { direction: 'outbound', type: 'rule', group: 'web', priority: 0, packets: 4, bytes: 240 },
  ])
})

test('without a group, defaults and what passes without a rule are told, too', (t) => {
  const others = shownHits(counted, catalogue, undefined).filter(({ group }) => group === undefined)
  t.deepEqual(others, [
    { direction: 'inbound', type: 'default', packets: 9, bytes: 540 },
    { direction: 'inbound', type: 'open', name: 'dhcp-answer', packets: 1, bytes: 60 },
  ])
})

test('a group that is not there is refused', (t) => {
  t.throws(() => shownHits(counted, catalogue, 'app'), { code: 'PUR_RESOURCE_MISSING' })
})
