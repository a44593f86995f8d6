import { parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import { type Manifest, portGroupSpec, securityGroup } from '@purlin/schema'
import test from 'ava'
import fc from 'fast-check'
import { chooseClientAddresses } from './client-addresses.ts'

function groupNaming(...sources: readonly Record<string, unknown>[]): Manifest<'SecurityGroup'> {
  const inbound = sources.map((source) => ({
    family: JSON.stringify(source).includes('::') ? 'ipv6' : 'ipv4',
    protocol: 'all',
    source,
    action: 'deny',
  }))
  return securityGroup.parse({ kind: 'SecurityGroup', name: 'g', spec: { inbound } })
}

const prod = portGroupSpec.parse({
  switch: 'dvs0',
  vlan: 100,
  subnets: [
    {
      cidr: '10.77.0.0/24',
      gateway: '10.77.0.1',
      dhcp: { from: '10.77.0.50', to: '10.77.0.99' },
    },
    { cidr: 'fd77::/64', gateway: 'fd77::1', dhcp: { from: 'fd77::50', to: 'fd77::99' } },
  ],
})

test('the first client stands in the narrowest range a rule names, the second in none', (t) => {
  const group = groupNaming({ cidrs: ['10.77.0.200/29'] }, { cidrs: ['10.77.0.0/24', '0.0.0.0/0'] })
  t.deepEqual(chooseClientAddresses(prod, [group], []), [
    { ipv4: '10.77.0.200/24', ipv6: 'fd77::3/64', within: ['10.77.0.200/29'] },
    { ipv4: '10.77.0.2/24', ipv6: 'fd77::2/64', within: [] },
  ])
})

test('without a narrow range both clients are any two addresses', (t) => {
  t.deepEqual(chooseClientAddresses(prod, [groupNaming({ cidrs: ['0.0.0.0/0'] })], ['10.77.0.2']), [
    { ipv4: '10.77.0.4/24', ipv6: 'fd77::3/64', within: [] },
    { ipv4: '10.77.0.3/24', ipv6: 'fd77::2/64', within: [] },
  ])
})

test('a narrow range without a free address gives way to the next wider one', (t) => {
  const group = groupNaming({ addresses: ['10.77.0.1'] }, { ranges: ['10.77.0.60-10.77.0.110'] })
  const [first] = chooseClientAddresses(prod, [group], [])
  t.is(first.ipv4, '10.77.0.100/24')
  t.deepEqual(first.within, ['10.77.0.60-10.77.0.110'])
})

test('a subnet too small for two clients gives one', (t) => {
  const small = portGroupSpec.parse({
    switch: 'dvs0',
    subnets: [{ cidr: '10.0.0.0/30', gateway: '10.0.0.1' }],
  })
  t.deepEqual(chooseClientAddresses(small, [], []), [
    { within: [] },
    { ipv4: '10.0.0.2/30', within: [] },
  ])
})

test('a port group without subnets gives clients without addresses', (t) => {
  const bare = portGroupSpec.parse({ switch: 'dvs0' })
  t.deepEqual(chooseClientAddresses(bare, [], []), [{ within: [] }, { within: [] }])
})

test('no client has a blocked address, whatever is taken and named', (t) => {
  const host = fc.integer({ min: 0, max: 255 }).map((last) => `10.77.0.${last}`)
  fc.assert(
    fc.property(fc.array(host), fc.array(host, { minLength: 1 }), (taken, named) => {
      const group = groupNaming({ addresses: named })
      const clients = chooseClientAddresses(prod, [group], taken)
      const addresses = clients.flatMap(({ ipv4 }) => ipv4?.split('/')[0] ?? [])
      t.is(new Set(addresses).size, addresses.length)
      const dhcp = { family: 'ipv4', first: 0x0a4d0032n, last: 0x0a4d0063n } as const
      for (const text of addresses) {
        const address = parseAddress(text)
        const network = parseCidr('10.77.0.0/24')
        if (!address || !network) return t.fail(text)
        t.true(rangeHolds(network, address))
        t.false(rangeHolds(dhcp, address))
        t.false(['10.77.0.0', '10.77.0.1', '10.77.0.255', ...taken].includes(text))
      }
      t.false(named.includes(clients[1].ipv4?.split('/')[0] ?? ''))
    }),
  )
})
