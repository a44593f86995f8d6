import { type Manifest, portGroupSpec, securityGroup, virtualMachine } from '@purlin/schema'
import test from 'ava'
import { chooseClientAddresses } from '../client-addresses.ts'
import { describeClient } from '../clients.ts'
import { clientEndpoint, type Endpoint, guestEndpoints } from './endpoint.ts'
import { type Cell, questionLines, questionsBetween, readAnswers } from './question.ts'
import { portsToServe, servicesOf, serviceText } from './service.ts'
import { reachabilityTable } from './table.ts'

function portOf(machine: string, nic: string, last: number): Manifest<'Port'> {
  return {
    kind: 'Port',
    name: `${machine}.${nic}`,
    spec: {
      virtualMachine: machine,
      nic,
      portGroup: 'prod',
      mac: '52:54:00:00:00:01',
      ipv4: [`10.0.0.${last}`],
      ipv6: [`fd00::${last}`],
      deviceKey: '00000000',
      conntrackZone: last,
    },
  }
}

function machineOf(name: string, spec: Record<string, unknown> = {}) {
  const nics = [{ name: 'eth0', portGroup: 'prod' }]
  return virtualMachine.parse({
    kind: 'VirtualMachine',
    name,
    spec: { cpus: 1, memoryMiB: 128, image: 'probe', nics, ...spec },
  })
}

const web: Endpoint = {
  name: 'web',
  portGroup: 'prod',
  ipv4: '10.0.0.5',
  ipv6: 'fd00::5',
  port: portOf('web', 'eth0', 5),
}
const db: Endpoint = {
  name: 'db',
  portGroup: 'prod',
  ipv4: '10.0.0.6',
  port: portOf('db', 'eth0', 6),
}

test('services are the ports of the rules, one nobody names, DNS and ping', (t) => {
  const group = securityGroup.parse({
    kind: 'SecurityGroup',
    name: 'g',
    spec: {
      inbound: [
        { family: 'ipv4', protocol: 'tcp', ports: ['443', '80', '7000-7001'], action: 'allow' },
        { family: 'ipv6', protocol: 'tcp', ports: ['80'], action: 'allow' },
        { family: 'ipv4', protocol: 'icmp', action: 'allow' },
      ],
      outbound: [{ family: 'ipv4', protocol: 'udp', ports: ['53', '123'], action: 'deny' }],
    },
  })
  const services = servicesOf([group])
  t.deepEqual(services.map(serviceText), [
    ...['tcp/80', 'tcp/443', 'tcp/7000', 'udp/53', 'udp/123', 'tcp/7002', 'icmp'],
  ])
  t.deepEqual(portsToServe(services), { tcp: [80, 443, 7000, 7002], udp: [53, 123] })
})

test('a machine’s NIC is measured unless its machine is stopped, without a probe, or has one there', (t) => {
  const nics = [
    { name: 'eth0', portGroup: 'prod' },
    { name: 'eth1', portGroup: 'prod' },
  ]
  const { measured, left } = guestEndpoints(
    [
      machineOf('a', { nics }),
      machineOf('b', { powerState: 'stopped' }),
      machineOf('c', { image: 'x' }),
      machineOf('d'),
    ],
    [
      portOf('a', 'eth0', 5),
      portOf('a', 'eth1', 6),
      portOf('b', 'eth0', 7),
      portOf('c', 'eth0', 8),
    ],
  )
  t.deepEqual(
    measured.map(({ name, ipv4, ipv6 }) => ({ name, ipv4, ipv6 })),
    [{ name: 'a/eth0', ipv4: '10.0.0.5', ipv6: 'fd00::5' }],
  )
  t.deepEqual(left, [
    { name: 'a/eth1', why: 'is a second NIC in prod' },
    { name: 'b', why: 'is stopped' },
    { name: 'c', why: 'image x has no probe' },
    { name: 'd', why: 'has no port' },
  ])
})

test('every ordered pair is asked by the families both ends have, clients not about each other', (t) => {
  const spec = portGroupSpec.parse({ switch: 's', subnets: [{ cidr: '10.0.0.0/24' }] })
  const clients = chooseClientAddresses(spec, [], []).map((addresses, index) =>
    clientEndpoint(describeClient('prod', index, addresses)),
  )
  const elsewhere: Endpoint = { ...web, name: 'far', portGroup: 'other' }
  const asked = questionsBetween([web, db, elsewhere, ...clients], [{ protocol: 'icmp', port: 0 }])
  t.deepEqual(
    asked.map(({ from, to, family }) => `${from.name} ${to.name} ${family}`),
    [
      ...['web db ipv4', 'web prod-client-1 ipv4', 'web prod-client-2 ipv4'],
      ...['db web ipv4', 'db prod-client-1 ipv4', 'db prod-client-2 ipv4'],
      ...['prod-client-1 web ipv4', 'prod-client-1 db ipv4'],
      ...['prod-client-2 web ipv4', 'prod-client-2 db ipv4'],
    ],
  )
})

test('a question is a line of the probe and its answer is found by its number', (t) => {
  const asked = questionsBetween(
    [web, db],
    [
      { protocol: 'tcp', port: 80 },
      { protocol: 'icmp', port: 0 },
    ],
  )
  t.is(questionLines(asked.slice(0, 2)), '0 tcp 10.0.0.6 80\n1 icmp 10.0.0.6 0\n')
  t.deepEqual(readAnswers('0 no\n1 yes 412\nsent 5 received 2\n', 2), {
    passes: [false, true],
    sent: 5,
    received: 2,
  })
  t.deepEqual(readAnswers('', 1), { passes: [false], sent: 0, received: 0 })
})

test('the table marks what passes, what does not, and what differs from the policy', (t) => {
  const cell = (rest: Partial<Cell>): Cell => ({
    from: web,
    to: db,
    family: 'ipv4',
    service: { protocol: 'tcp', port: 80 },
    passes: true,
    expected: true,
    ...rest,
  })
  t.deepEqual(
    reachabilityTable([
      cell({}),
      cell({ family: 'ipv6', passes: false, expected: false }),
      cell({ service: { protocol: 'icmp', port: 0 }, passes: false }),
      cell({ from: db, to: web, expected: false }),
    ]),
    ['from  to   tcp/80  icmp', 'web   db   +/·     ·!/ ', 'db    web  +!/'].map((line) =>
      line.trimEnd(),
    ),
  )
})
