import test from 'ava'
import { checkManifest } from '../check/manifest.ts'
import { kinds } from './kinds.ts'

const whole = {
  portGroups: ['web', 'db'],
  routes: [{ to: '10.99.0.0/16', via: '10.1.0.9' }],
  external: {
    portGroup: 'public',
    nextHops: ['192.0.2.1', '2001:db8::1'],
    hosts: [{ host: 'one', addresses: ['192.0.2.11', '2001:db8::11'] }],
  },
  portForwards: [
    { address: '192.0.2.80', protocol: 'tcp', ports: '80', to: 'web-1.eth0', toPort: 8080 },
    { address: '192.0.2.80', protocol: 'tcp', ports: '443', to: 'web-2.eth0' },
  ],
  floatingAddresses: [{ address: '192.0.2.50', to: 'db-1.eth0' }],
}

function problemsOf(spec: unknown): readonly string[] {
  const parsed = kinds.Router.manifest.safeParse({ kind: 'Router', name: 'edge', spec })
  const issues = parsed.success ? [] : parsed.error.issues
  return issues.map(({ path, message }) => `${path.slice(1).join('.')}: ${message}`)
}

test('a router with an external side, forwards and floating addresses is taken', (t) => {
  t.deepEqual(problemsOf(whole), [])
  t.deepEqual(problemsOf({ portGroups: ['web'] }), [])
})

test('what cannot be meant of a router is refused at its place', (t) => {
  t.deepEqual(problemsOf({ portGroups: ['web', 'web'] }), ['portGroups.1: is listed twice'])
  t.deepEqual(problemsOf({ ...whole, external: undefined }), [
    'portForwards: needs an external side',
    'floatingAddresses: needs an external side',
  ])
  const external = { ...whole.external, portGroup: 'db', nextHops: ['192.0.2.1', '192.0.2.2'] }
  t.deepEqual(problemsOf({ ...whole, external }), [
    'external.portGroup: is joined already; the outside is another port group',
    'external.nextHops.1: is the second of its family',
  ])
  const floatingAddresses = [{ address: '192.0.2.80', to: 'db-1.eth0' }]
  t.deepEqual(problemsOf({ ...whole, floatingAddresses }), [
    'portForwards.0.address: is taken by floating address 0 of db-1.eth0',
  ])
  const portForwards = [
    { address: '192.0.2.80', protocol: 'tcp', ports: '80-90', to: 'web-1.eth0', toPort: 1 },
    { address: '192.0.2.80', protocol: 'tcp', ports: '85', to: 'web-2.eth0' },
    { address: '192.0.2.80', protocol: 'udp', ports: '85', to: 'web-2.eth0' },
  ]
  t.deepEqual(problemsOf({ ...whole, portForwards }), [
    'portForwards.0.toPort: goes with a single port',
    'portForwards.1.ports: overlaps with forward 0',
  ])
  t.deepEqual(problemsOf({ portGroups: ['web'], routes: [{ to: 'fd00::/64', via: '10.0.0.1' }] }), [
    'routes.0.via: must be of the family of the network it leads to',
  ])
})

test('a router names its port groups and the machines it leads to', (t) => {
  const { problems } = checkManifest([{ kind: 'Router', name: 'edge', spec: whole }])
  t.deepEqual(
    problems.map(({ path, message }) => `${path}: ${message}`),
    [
      'spec.portGroups[0]: no PortGroup named web',
      'spec.portGroups[1]: no PortGroup named db',
      'spec.external.portGroup: no PortGroup named public',
      'spec.portForwards[0].to: no VirtualMachine named web-1',
      'spec.portForwards[1].to: no VirtualMachine named web-2',
      'spec.floatingAddresses[0].to: no VirtualMachine named db-1',
    ],
  )
})
