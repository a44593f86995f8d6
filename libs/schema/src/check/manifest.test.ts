import test from 'ava'
import fc from 'fast-check'
import type { Manifest } from '../resources/kinds.ts'
import { checkManifest } from './manifest.ts'

const dvs = { kind: 'DistributedSwitch', name: 'prod', spec: {} }
const portGroup = { kind: 'PortGroup', name: 'app', spec: { switch: 'prod', vlan: 10 } }
const group = (name: string, spec: object = {}) => ({ kind: 'SecurityGroup', name, spec })
const rule = (changes: object = {}) => ({
  family: 'ipv4',
  protocol: 'tcp',
  ports: ['80'],
  action: 'allow',
  ...changes,
})
const machine = (nics: object[]) => ({
  kind: 'VirtualMachine',
  name: 'web-1',
  spec: { cpus: 1, memoryMiB: 128, image: 'probe', nics },
})

/** Problems as a person reads them. */
const problemsOf = (...documents: unknown[]): string[] =>
  checkManifest(documents).problems.map(
    ({ document, path, message }) => `${document} ${path}: ${message}`,
  )

test('a sound manifest comes back with its defaults', (t) => {
  const checked = checkManifest([
    dvs,
    portGroup,
    group('web', { inbound: [rule({ source: { groups: ['web', 'app'] } })] }),
    group('app', { inbound: [rule({ source: { groups: ['web'] } })] }),
    machine([{ name: 'eth0', portGroup: 'app', securityGroups: ['web', 'app'] }]),
  ])
  t.deepEqual(checked.problems, [])
  const [, , web, , vm] = checked.manifests ?? []
  t.true(web?.kind === 'SecurityGroup' && web.spec.allowWithinGroup)
  t.true(vm?.kind === 'VirtualMachine' && vm.spec.nics[0]?.guards.mac === true)
})

test('an unknown kind, a missing kind and a kind of the agent’s own are told apart', (t) => {
  const [unknown, missing, own, text, list] = problemsOf(
    { kind: 'Gateway', name: 'x', spec: {} },
    { name: 'x' },
    { kind: 'Port', name: 'web-1.eth0', spec: {} },
    'text',
    [],
  )
  t.regex(unknown ?? '', /^0 kind: unknown kind Gateway; known kinds: DistributedSwitch, /)
  t.regex(missing ?? '', /^1 kind: is missing/)
  t.is(own, '2 kind: Port is written by the agent alone; leave it out')
  t.regex(text ?? '', /^3 : must be a mapping/)
  t.regex(list ?? '', /^4 : must be a mapping/)
})

test('every wrong field is a problem of its own, at its own path', (t) => {
  const wrong = {
    kind: 'DistributedSwitch',
    name: 'prod',
    colour: 1,
    spec: { mtu: 1, speed: 2, size: 3 },
  }
  t.deepEqual(
    problemsOf(wrong).map((line) => line.split(':')[0]),
    ['0 spec.mtu', '0 spec.speed', '0 spec.size', '0 colour'],
  )
})

test('ports on a protocol without ports, bad networks and bad ranges name their place', (t) => {
  const lines = problemsOf(
    group('web', {
      inbound: [
        rule({ protocol: 'icmp' }),
        rule({ source: { cidrs: ['10.0.0.0/8', '10.0.0.1/24'] } }),
        rule({ source: { cidrs: ['10.0.0.0/33'] } }),
        rule({
          source: {
            ranges: ['10.0.0.1-10.0.0.2-junk', '10.0.0.9-10.0.0.1', '10.0.0.1 - 10.0.0.9'],
          },
        }),
        rule({ source: { cidrs: ['fd77::/64'] } }),
        rule({ source: {} }),
        rule({ ports: ['90-80', '65536'] }),
        rule({ ports: undefined, icmp: { type: 8 } }),
      ],
    }),
  )
  t.deepEqual(
    lines.map((line) => line.slice(0, line.indexOf(': '))),
    [
      '0 spec.inbound[0].ports',
      '0 spec.inbound[1].source.cidrs[1]',
      '0 spec.inbound[2].source.cidrs[0]',
      '0 spec.inbound[3].source.ranges[0]',
      '0 spec.inbound[3].source.ranges[1]',
      '0 spec.inbound[3].source.ranges[2]',
      '0 spec.inbound[4].source.cidrs[0]',
      '0 spec.inbound[5].source',
      '0 spec.inbound[6].ports[0]',
      '0 spec.inbound[6].ports[1]',
      '0 spec.inbound[7].icmp',
    ],
  )
  t.regex(lines[0] ?? '', /protocol icmp has no ports/)
  t.regex(lines[1] ?? '', /the network is 10\.0\.0\.0\/24$/)
  t.regex(lines[6] ?? '', /is ipv6, but the rule's family is ipv4$/)
})

test('a missing reference is named where it stands, and what exists already is met', (t) => {
  t.deepEqual(
    problemsOf(
      portGroup,
      machine([{ name: 'eth0', portGroup: 'app', securityGroups: ['web', 'gone'] }]),
      group('web', { outbound: [rule({ destination: { groups: ['lost'] } })] }),
    ),
    [
      '0 spec.switch: no DistributedSwitch named prod',
      '1 spec.nics[0].securityGroups[1]: no SecurityGroup named gone',
      '2 spec.outbound[0].destination.groups[0]: no SecurityGroup named lost',
    ],
  )
  const known = checkManifest([portGroup], (kind, name) =>
    kind === 'DistributedSwitch' && name === 'prod' ? (dvs as unknown as Manifest) : undefined,
  )
  t.deepEqual(known.problems, [])
})

test('a reference to a document with a mistake is not a second mistake', (t) => {
  t.is(problemsOf({ ...dvs, spec: { mtu: 1 } }, portGroup).length, 1)
})

test('a duplicate name points to the first', (t) => {
  t.deepEqual(problemsOf(dvs, portGroup, dvs), [
    '2 name: duplicate name: document 0 is already DistributedSwitch prod (documents from 0)',
  ])
  t.deepEqual(problemsOf(dvs, { ...portGroup, name: 'prod' }), [])
})

test('two NICs of a machine do not share a name', (t) => {
  const lines = problemsOf(
    dvs,
    portGroup,
    machine([
      { name: 'eth0', portGroup: 'app' },
      { name: 'eth0', portGroup: 'app' },
    ]),
  )
  t.is(lines.length, 1)
  t.regex(lines[0] ?? '', /^2 spec\.nics\[1\]\.name: duplicate name eth0/)
})

test('a gateway or DHCP range outside its subnet, or over the gateway, is refused', (t) => {
  const subnet = (changes: object) =>
    problemsOf(dvs, {
      ...portGroup,
      spec: { switch: 'prod', subnets: [{ cidr: '10.0.0.0/24', gateway: '10.0.0.1', ...changes }] },
    }).map((line) => line.slice(2, line.indexOf(': ')))
  t.deepEqual(subnet({ dhcp: { from: '10.0.0.10', to: '10.0.0.20' } }), [])
  t.deepEqual(subnet({ gateway: '10.0.1.1' }), ['spec.subnets[0].gateway'])
  t.deepEqual(subnet({ dhcp: { from: '10.0.0.20', to: '10.0.0.10' } }), ['spec.subnets[0].dhcp.to'])
  t.deepEqual(subnet({ dhcp: { from: '10.0.0.1', to: '10.0.0.10' } }), ['spec.subnets[0].dhcp'])
  t.deepEqual(subnet({ dhcp: { from: '10.0.0.10', to: '10.0.1.10' } }), ['spec.subnets[0].dhcp.to'])
})

test('a cycle of volumes and snapshots is shown as a walk', (t) => {
  const volume = (name: string, snapshot?: string) => ({
    kind: 'Volume',
    name,
    spec: {
      pool: 'fast',
      ...(snapshot === undefined ? { sizeGiB: 1 } : { source: { snapshot, clone: 'linked' } }),
    },
  })
  const snapshot = (name: string, of: string) => ({ kind: 'Snapshot', name, spec: { volume: of } })
  const pool = {
    kind: 'StoragePool',
    name: 'fast',
    spec: { redundancy: { replicas: 1 } },
  }
  t.deepEqual(problemsOf(pool, volume('a', 's'), snapshot('s', 'a')), [
    '1 spec.source.snapshot: cycle: Volume a <- Snapshot s <- Volume a',
  ])
  t.deepEqual(problemsOf(pool, volume('a', 's'), snapshot('s', 'b'), volume('b')), [])
  const lines = problemsOf(
    pool,
    volume('c', 's'),
    snapshot('s', 'a'),
    volume('a', 't'),
    snapshot('t', 'b'),
    volume('b', 's'),
  )
  t.deepEqual(
    lines.map((line) => line.split(':')[0]),
    ['3 spec.source.snapshot', '5 spec.source.snapshot'],
  )
})

test('anything at all gives an answer and no exception', (t) => {
  const names = fc.constantFrom(
    'DistributedSwitch',
    'PortGroup',
    'SecurityGroup',
    'VirtualMachine',
    'Volume',
    'Snapshot',
    '__proto__',
    'constructor',
  )
  const document = fc.oneof(
    fc.anything(),
    fc.record({ kind: names, name: fc.string(), spec: fc.anything() }),
  )
  fc.assert(
    fc.property(fc.array(document, { maxLength: 4 }), (documents) => {
      const { manifests, problems } = checkManifest(documents)
      t.is(manifests === undefined, problems.length > 0)
    }),
  )
})
