import { kinds, type Manifest, type PortGroupSpec } from '@purlin/schema'
import test from 'ava'
import { portGroupsServed, type RoutedNic, type RouterGrounds, routersDesired } from './resolve.ts'

const group = (vlan: number, subnets: readonly object[]): PortGroupSpec =>
  kinds.PortGroup.manifest.parse({
    kind: 'PortGroup',
    name: 'any',
    spec: { switch: 'dvs0', vlan, subnets },
  }).spec
const groups: Readonly<Record<string, PortGroupSpec>> = {
  web: group(100, [
    { cidr: '10.1.0.0/24', gateway: '10.1.0.1' },
    { cidr: 'fd01::/64', gateway: 'fd01::1' },
  ]),
  db: group(200, [{ cidr: '10.2.0.0/24', gateway: '10.2.0.1' }]),
  other: group(300, [{ cidr: '10.3.0.0/24', gateway: '10.3.0.1' }]),
  public: group(400, [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8::/64' }]),
}
const edge: Manifest<'Router'> = kinds.Router.manifest.parse({
  kind: 'Router',
  name: 'edge',
  spec: {
    portGroups: ['web', 'db'],
    routes: [
      { to: '10.99.0.0/16', via: '10.1.0.9' },
      { to: '198.51.100.0/24', via: '192.0.2.254' },
    ],
    external: {
      portGroup: 'public',
      nextHops: ['192.0.2.1'],
      hosts: [
        { host: 'one', addresses: ['192.0.2.11', '2001:db8::11'] },
        { host: 'two', addresses: ['192.0.2.12'] },
      ],
    },
    portForwards: [
      { address: '192.0.2.80', protocol: 'tcp', ports: '80', to: 'web-1.eth0', toPort: 8080 },
      { address: '192.0.2.80', protocol: 'tcp', ports: '5432-5440', to: 'db-1.eth0' },
    ],
    floatingAddresses: [{ address: '192.0.2.50', to: 'db-1.eth0' }],
  },
})
const nic = (port: string, portGroup: string, last: number, host?: string): RoutedNic => ({
  port,
  portGroup,
  mac: `52:54:00:00:00:0${last}`,
  ipv4: [`10.${portGroup === 'web' ? 1 : 2}.0.${last}`],
  ipv6: portGroup === 'web' ? [`fd01::${last}`] : [],
  ...(host !== undefined && { host }),
})
const nics = [nic('web-1.eth0', 'web', 5, 'one'), nic('db-1.eth0', 'db', 6, 'two')]
const on = (host: string, running: readonly RoutedNic[] = nics): RouterGrounds => ({
  host,
  routers: [edge],
  portGroup: (name) => groups[name],
  mtuOf: () => 1500,
  nics: running,
})

test('a host serves the port groups of its machines and those that a router joins to them', (t) => {
  t.deepEqual([...portGroupsServed(on('one'))], ['web', 'db'])
  t.deepEqual([...portGroupsServed(on('three'))], [])
  t.deepEqual(routersDesired(on('three')), [])
})

test('every host knows every machine behind the router', (t) => {
  const [one] = routersDesired(on('one'))
  const [two] = routersDesired(on('two'))
  t.deepEqual(one?.legs, two?.legs)
  t.deepEqual(one?.legs[0]?.neighbours, [
    { address: '10.1.0.5', mac: '52:54:00:00:00:05' },
    { address: 'fd01::5', mac: '52:54:00:00:00:05' },
  ])
  t.deepEqual(one?.legs[0]?.routes, [{ to: '10.99.0.0/16', via: '10.1.0.9' }])
  t.deepEqual(one?.external?.routes, [{ to: '198.51.100.0/24', via: '192.0.2.254' }])
})

test('each host goes out under its own address and MAC', (t) => {
  const [one] = routersDesired(on('one'))
  const [two] = routersDesired(on('two'))
  t.deepEqual(one?.external?.addresses, ['192.0.2.11/24', '2001:db8::11/64'])
  t.deepEqual(two?.external?.addresses, ['192.0.2.12/24'])
  t.not(one?.external?.mac, two?.external?.mac)
})

test('a floating address is where its machine runs, and moves with it', (t) => {
  t.deepEqual(routersDesired(on('one'))[0]?.floating, [])
  const floating = [{ address: '192.0.2.50', to: '10.2.0.6' }]
  t.deepEqual(routersDesired(on('two'))[0]?.floating, floating)
  const moved = [nic('web-1.eth0', 'web', 5, 'one'), nic('db-1.eth0', 'db', 6, 'one')]
  t.deepEqual(routersDesired(on('one', moved))[0]?.floating, floating)
  t.deepEqual(routersDesired(on('two', moved)), [])
})

test('forwards of one address are answered on one host, which steers to the others', (t) => {
  const [one] = routersDesired(on('one'))
  const [two] = routersDesired(on('two'))
  t.deepEqual(one?.answered, ['192.0.2.80'])
  t.deepEqual(two?.answered, ['192.0.2.50'])
  const database = { address: '192.0.2.80', protocol: 'tcp' as const, first: 5432, last: 5440 }
  t.deepEqual(one?.steered, [{ ...database, via: '192.0.2.12' }])
  t.deepEqual(two?.steered, [])
  t.deepEqual(two?.forwards, [{ ...database, to: '10.2.0.6' }])
  t.deepEqual(
    one?.forwards.map(({ to, toPort }) => `${to} ${toPort}`),
    ['10.1.0.5 8080'],
  )
})
