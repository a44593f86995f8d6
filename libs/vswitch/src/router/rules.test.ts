import test from 'ava'
import type { RouterDesired } from './desired.ts'
import { routerRules } from './rules.ts'
import { portGroupSettings, routerSettings } from './settings.ts'

const edge: RouterDesired = {
  name: 'edge',
  legs: [
    {
      portGroup: 'web',
      mtu: 1500,
      subnets: [
        { cidr: '10.1.0.0/24', gateway: '10.1.0.1' },
        { cidr: 'fd01::/64', gateway: 'fd01::1' },
      ],
      neighbours: [{ address: '10.1.0.5', mac: '52:54:00:00:00:05' }],
      routes: [{ to: '10.99.0.0/16', via: '10.1.0.9' }],
    },
  ],
  external: {
    portGroup: 'public',
    switch: 'dvs0',
    vlan: 400,
    mtu: 1500,
    mac: '02:00:00:00:00:01',
    addresses: ['192.0.2.11/24'],
    nextHops: ['192.0.2.1'],
    routes: [],
    snat: true,
  },
  floating: [{ address: '192.0.2.50', to: '10.1.0.5' }],
  forwards: [
    { address: '192.0.2.80', protocol: 'tcp', first: 80, last: 80, to: '10.1.0.6', toPort: 8080 },
  ],
  answered: ['192.0.2.50', '192.0.2.80'],
  steered: [{ address: '192.0.2.80', protocol: 'tcp', first: 22, last: 22, via: '192.0.2.12' }],
}

test('the rules of a router with everything', (t) => {
  t.snapshot(routerRules(edge))
})

test('the routes, neighbours and addresses of a router with everything', (t) => {
  const [leg] = edge.legs
  t.snapshot(routerSettings(edge))
  t.snapshot(leg === undefined ? [] : portGroupSettings(leg))
})

test('without an external side nothing is translated or refused', (t) => {
  const { external, ...inner } = edge
  t.truthy(external)
  const rules = routerRules({ ...inner, floating: [], forwards: [], answered: [], steered: [] })
  t.notRegex(rules, /reject|drop|snat ip to 1/)
})

test('a host without an address of its own refuses whoever has no floating address', (t) => {
  const external = edge.external && { ...edge.external, addresses: [] }
  const rules = routerRules({ ...edge, ...(external && { external }) })
  t.regex(rules, /ip saddr @inside4 ip saddr != \{ 10\.1\.0\.5 \} ct direction original reject/)
})
