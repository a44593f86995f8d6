import test from 'ava'
import type { PacketExplanation, PacketQuestion } from '../api/explain.ts'
import { kinds, type Manifest } from '../resources/kinds.ts'
import type { PortGroupSpec } from '../resources/port-group.ts'
import { checkRouters } from './check-routers.ts'
import { answerRouted, explainRouted } from './explain-routed.ts'
import type { RoutedNetwork } from './network.ts'
import { pathSentence, routePath } from './route-path.ts'

const group = (vlan: number, ...subnets: readonly object[]): PortGroupSpec =>
  kinds.PortGroup.manifest.parse({
    kind: 'PortGroup',
    name: 'any',
    spec: { switch: 'dvs0', vlan, subnets },
  }).spec
const router = (spec: object, name = 'edge'): Manifest<'Router'> =>
  kinds.Router.manifest.parse({ kind: 'Router', name, spec })

const whole = {
  portGroups: ['web', 'db'],
  routes: [{ to: '10.99.0.0/16', via: '10.2.0.9' }],
  external: {
    portGroup: 'public',
    nextHops: ['192.0.2.1'],
    hosts: [{ host: 'one', addresses: ['192.0.2.11'] }],
  },
  portForwards: [
    { address: '192.0.2.80', protocol: 'tcp', ports: '80', to: 'web-1.eth0', toPort: 8080 },
  ],
  floatingAddresses: [{ address: '192.0.2.50', to: 'db-1.eth0' }],
}
const nic = (port: string, portGroup: string, address: string) => ({
  port,
  portGroup,
  ipv4: [address],
  ipv6: [],
  host: 'one',
})
const network: RoutedNetwork = {
  routers: [router(whole)],
  portGroups: new Map([
    ['web', group(100, { cidr: '10.1.0.0/24', gateway: '10.1.0.1' })],
    ['db', group(200, { cidr: '10.2.0.0/24', gateway: '10.2.0.1' })],
    ['lone', group(300, { cidr: '10.3.0.0/24', gateway: '10.3.0.1' })],
    ['public', group(400, { cidr: '192.0.2.0/24' })],
  ]),
  nics: [
    nic('web-1.eth0', 'web', '10.1.0.5'),
    nic('web-2.eth0', 'web', '10.1.0.6'),
    nic('db-1.eth0', 'db', '10.2.0.5'),
    nic('lone-1.eth0', 'lone', '10.3.0.5'),
  ],
}
const ask = (from: string, to: string, destinationPort = 80): PacketQuestion => ({
  from,
  to,
  protocol: 'tcp',
  destinationPort,
})

const way = test.macro(
  (
    t,
    from: string,
    to: string,
    port: number,
    reached: 'yes' | 'no' | 'unknown',
    sentence: RegExp,
  ) => {
    const path = routePath(network, ask(from, to, port))
    t.is(path.reached, reached)
    t.regex(pathSentence(path), sentence)
  },
)

test(
  'one network',
  way,
  'web-1',
  'web-2/eth0',
  80,
  'yes',
  /^both are in the network of port group web$/,
)
test(
  'joined port groups',
  way,
  'web-1',
  '10.2.0.5',
  80,
  'yes',
  /^the gateway of port group web; router edge on host one; the gateway of port group db$/,
)
test('no router', way, 'web-1', 'lone-1', 80, 'no', /no router joins port groups web and lone/)
test(
  'out under the host’s address',
  way,
  'web-1',
  '198.51.100.7',
  80,
  'yes',
  /it leaves as 192\.0\.2\.11; it goes on by 192\.0\.2\.1$/,
)
test(
  'out under the machine’s own',
  way,
  'db-1',
  '198.51.100.7',
  80,
  'yes',
  /it leaves as 192\.0\.2\.50/,
)
test('out without a router', way, 'lone-1', '198.51.100.7', 80, 'no', /nothing leaves it/)
test('by a static route', way, 'web-1', '10.99.1.1', 80, 'yes', /it goes on by 10\.2\.0\.9$/)
test(
  'in unasked',
  way,
  '198.51.100.7',
  'web-1',
  80,
  'no',
  /only by floating addresses and forwards/,
)
test(
  'in by a floating address',
  way,
  '198.51.100.7',
  '192.0.2.50',
  22,
  'yes',
  /floating address, which leads to db-1\/eth0/,
)
test(
  'in by a forwarded port',
  way,
  '198.51.100.7',
  '192.0.2.80',
  80,
  'yes',
  /forwards to web-1\/eth0 \(10\.1\.0\.5 port 8080\)/,
)
test(
  'in by a port that is not forwarded',
  way,
  '198.51.100.7',
  '192.0.2.80',
  81,
  'no',
  /forwards nothing of 192\.0\.2\.80 that fits/,
)
test('an address nobody knows', way, 'web-1', '10.1.0.77', 80, 'unknown', /of no NIC that is known/)

test('where the gateway is somebody else’s, nothing is said of what it leads to', (t) => {
  const portGroups = new Map([...network.portGroups, ['lone', group(300, { cidr: '10.3.0.0/24' })]])
  const path = routePath({ ...network, portGroups }, ask('lone-1', 'web-1'))
  t.is(path.reached, 'unknown')
  const none = routePath({ ...network, routers: [] }, ask('web-1', '198.51.100.7'))
  t.deepEqual(none, { reached: 'unknown', hops: [] })
})

test('without any router the lists alone answer, also between networks', (t) => {
  const { explain } = listsSay('allow')
  const alone = { ...network, routers: [] }
  t.is(routePath(alone, ask('web-1', 'lone-1')).reached, 'unknown')
  t.is(explainRouted(alone, ask('web-1', 'lone-1'), explain).verdict, 'allow')
  const brief = { verdict: 'allow', decidedBy: { type: 'rule' } } as const
  t.is(answerRouted(alone, ask('web-1', 'lone-1'), brief, explain), brief)
  t.is(answerRouted(network, ask('web-1', 'lone-1'), brief, explain).verdict, 'deny')
})

test('the receiver’s list is asked about the packet that it sees', (t) => {
  const { received } = routePath(network, ask('198.51.100.7', '192.0.2.80'))
  t.like(received, { from: '198.51.100.7', to: 'web-1.eth0', destinationPort: 8080 })
  const hairpin = routePath(network, ask('web-2', '192.0.2.80'))
  t.like(hairpin.received, { from: '192.0.2.80', to: 'web-1.eth0', destinationPort: 8080 })
})

function listsSay(verdict: 'allow' | 'deny') {
  const asked: PacketQuestion[] = []
  const explain = (question: PacketQuestion): PacketExplanation => {
    asked.push(question)
    const end = (direction: 'inbound' | 'outbound') => ({
      nic: direction,
      direction,
      verdict,
      decidedBy: { type: 'default' as const },
      walk: [],
    })
    return {
      verdict,
      decidedBy: { type: 'default' },
      ends: [end('outbound'), end('inbound')],
      sentence: `${question.from} -> ${question.to} ipv4 tcp: ${verdict}, by default`,
    }
  }
  return { asked, explain }
}

test('what has no way is denied, whatever the lists say', (t) => {
  const { explain } = listsSay('allow')
  t.like(explainRouted(network, ask('web-1', 'lone-1'), explain), {
    verdict: 'deny',
    decidedBy: { type: 'unreachable' },
    sentence: 'web-1 -> lone-1 ipv4 tcp: deny, no router joins port groups web and lone',
  })
  t.is(explainRouted(network, ask('web-1', 'db-1'), explain).verdict, 'allow')
  t.is(explainRouted(network, ask('web-1', 'db-1'), explain).path?.hops.length, 3)
  t.is(explainRouted(network, ask('web-1', 'web-2'), explain).path, undefined)
})

test('a translated packet is put to the list of each end as that end sees it', (t) => {
  const { asked, explain } = listsSay('deny')
  const answer = explainRouted(network, ask('web-2', '192.0.2.80'), explain)
  t.deepEqual(
    asked.map(({ from, to }) => `${from} ${to}`),
    ['web-2 192.0.2.80', '192.0.2.80 web-1.eth0'],
  )
  t.is(answer.sentence, 'web-2 -> 192.0.2.80 ipv4 tcp: deny, by default')
  t.deepEqual(
    answer.ends.map(({ direction }) => direction),
    ['outbound', 'inbound'],
  )
})

test('routers that cannot be beside each other are refused at their places', (t) => {
  t.deepEqual(checkRouters(network), [])
  const twice = router({ portGroups: ['web', 'overlap'] }, 'second')
  const portGroups = new Map([
    ...network.portGroups,
    ['overlap', group(500, { cidr: '10.1.0.0/16', gateway: '10.1.255.1' })] as const,
  ])
  const bad = router({
    ...whole,
    routes: [{ to: '10.99.0.0/16', via: '10.9.0.9' }],
    external: { ...whole.external, hosts: [{ host: 'one', addresses: ['198.51.100.1'] }] },
    portForwards: [{ address: '192.0.2.80', protocol: 'tcp', ports: '80', to: 'lone-1.eth0' }],
    floatingAddresses: [{ address: '192.0.2.50', to: 'db-9.eth0' }],
  })
  const told = checkRouters({ ...network, portGroups, routers: [bad, twice] })
  t.deepEqual(
    told.map(({ path, message }) => `${path}: ${message}`),
    [
      'Router edge: spec.routes[0].via: 10.9.0.9 is in no subnet of web, db, public',
      'Router edge: spec.external.hosts[0].addresses[0]: 198.51.100.1 is in no subnet of port group public',
      'Router edge: spec.portForwards[0].to: lone-1.eth0 is in port group lone, which the router does not join',
      'Router edge: spec.floatingAddresses[0].to: db-9.eth0 is no NIC of that machine',
      'Router second: spec.portGroups[0]: web is joined by router edge already',
      'Router second: spec.portGroups[1]: 10.1.0.0/16 of overlap overlaps with 10.1.0.0/24 of web',
    ],
  )
})
