import type { NicGuards } from '@purlin/schema'
import test from 'ava'
import { compile } from '../compile/compile.ts'
import type { FilteredNic } from '../policy/desired.ts'
import { allGuards } from '../policy/filtered-nic.ts'
import { desiredOf, sampleNic } from '../testing/sample.ts'
import { guardRules, guardUnit } from './guard.ts'
import { ruleText } from './text.ts'

function compiled(change: Partial<FilteredNic>): Parameters<typeof guardRules>[0] {
  const [nic] = compile(desiredOf([{ ...sampleNic('a', []), ...change }], {})).nics
  if (nic === undefined) throw new Error('one NIC was compiled')
  return nic
}

function textsOf(change: Partial<FilteredNic>): readonly string[] {
  return guardRules(compiled(change)).map((rule) => `${rule.id}: ${ruleText(rule)}`)
}

test('the guards of a NIC as nft shows them', (t) => {
  t.snapshot(textsOf({}))
})

test('what is allowed beside the own addresses stands in every guard that looks at it', (t) => {
  const allowedAddresses = ['10.77.0.0/16', 'fd99::/64', '52:54:00:11:22:33']
  t.snapshot(textsOf({ allowedAddresses }))
})

const idsOfGuard: Readonly<Record<keyof NicGuards, readonly string[]>> = {
  mac: ['guard/mac'],
  ipv4Source: ['guard/ipv4'],
  ipv6Source: ['guard/ipv6'],
  arp: ['guard/arp-mac', 'guard/arp-ipv4'],
  neighbourAdvertisement: ['guard/neighbour'],
  router: ['guard/router-ipv4', 'guard/router'],
  dhcpServer: ['guard/dhcp-server', 'guard/dhcp-answer'],
}

for (const [guard, ids] of Object.entries(idsOfGuard)) {
  test(`guard ${guard} switched off takes just its own rules away`, (t) => {
    const all = guardRules(compiled({})).map(({ id }) => id)
    const left = guardRules(compiled({ guards: { ...allGuards, [guard]: false } }))
    t.deepEqual(
      left.map(({ id }) => id),
      all.filter((id) => !ids.includes(id)),
    )
  })
}

test('a NIC that may have every address has no rule that would refuse one', (t) => {
  const texts = textsOf({ allowedAddresses: ['0.0.0.0/0', '::/0'] }).join('\n')
  t.notRegex(texts, /guard\/(ipv4|ipv6|arp-ipv4|neighbour):/)
})

test('a NIC without an IPv4 address sends no IPv4 but asks for one', (t) => {
  const texts = textsOf({ ipv4: [] })
  t.true(texts.includes('guard/ipv4: ether type ip counter drop'))
  t.true(texts.some((text) => text.startsWith('guard/dhcp-client: ')))
})

test('another guard is another chain', (t) => {
  const stems = [{}, { mac: '52:54:00:00:00:99' }, { allowedAddresses: ['10.5.0.1'] }].map(
    (change) => guardUnit(compiled(change), 0).stem,
  )
  t.is(new Set(stems).size, 3)
})
