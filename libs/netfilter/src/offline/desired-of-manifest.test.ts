import { kinds, type Manifest } from '@purlin/schema'
import test from 'ava'
import { desiredOfManifest } from './desired-of-manifest.ts'

const manifests: readonly Manifest[] = [
  kinds.PortGroup.manifest.parse({
    kind: 'PortGroup',
    name: 'prod',
    spec: {
      switch: 'dvs0',
      subnets: [
        { cidr: '10.0.0.0/24', gateway: '10.0.0.1', dhcp: { from: '10.0.0.50', to: '10.0.0.99' } },
        { cidr: 'fd00::/64', gateway: 'fd00::1', dhcp: { from: 'fd00::50', to: 'fd00::99' } },
      ],
    },
  }),
  kinds.SecurityGroup.manifest.parse({ kind: 'SecurityGroup', name: 'web', spec: {} }),
  machine('zebra', { securityGroups: ['web'] }),
  machine('ape', { addresses: ['10.0.0.50'], defaultPolicy: { withoutGroups: 'deny' } }),
  machine('bee', { securityGroups: ['web'] }),
]

function machine(name: string, nic: object): Manifest {
  const nics = [{ name: 'eth0', portGroup: 'prod', ...nic }]
  const spec = { cpus: 1, memoryMiB: 128, image: 'probe', nics }
  return kinds.VirtualMachine.manifest.parse({ kind: 'VirtualMachine', name, spec })
}

test('NICs get the lowest free address in the manifest’s order, fixed ones first', (t) => {
  const { nics, members } = desiredOfManifest(manifests)
  t.deepEqual(
    nics.map(({ port, ipv4, ipv6, filtered }) => [port, ...ipv4, ...ipv6, filtered]),
    [
      ['zebra.eth0', '10.0.0.51', 'fd00::50', true],
      ['ape.eth0', '10.0.0.50', true],
      ['bee.eth0', '10.0.0.52', 'fd00::51', true],
    ],
  )
  t.deepEqual(members.get('web'), [
    { ipv4: ['10.0.0.51'], ipv6: ['fd00::50'] },
    { ipv4: ['10.0.0.52'], ipv6: ['fd00::51'] },
  ])
})

test('a manifest has the same MACs, zones and devices each time', (t) => {
  t.deepEqual(desiredOfManifest(manifests), desiredOfManifest(manifests))
  const zones = desiredOfManifest(manifests).nics.map(({ zone }) => zone)
  t.deepEqual(zones, [1, 2, 3])
})

test('a NIC knows the servers of its port group in both families', (t) => {
  const [nic] = desiredOfManifest(manifests).nics
  const mac = nic?.servers[0]?.mac
  t.deepEqual(nic?.servers.map(({ address }) => address).slice(0, 2), ['10.0.0.1', 'fd00::1'])
  t.regex(nic?.servers[2]?.address ?? '', /^fe80::/)
  t.true(nic?.servers.every((server) => server.mac === mac))
})

test('a NIC that names no groups has those of its port group, and their default', (t) => {
  const guarded = kinds.PortGroup.manifest.parse({
    kind: 'PortGroup',
    name: 'prod',
    spec: {
      switch: 'dvs0',
      subnets: [{ cidr: '10.0.0.0/24' }],
      securityGroups: ['web'],
      defaultPolicy: { withoutGroups: 'deny' },
    },
  })
  const [, group] = manifests
  if (group === undefined) return t.fail('no group')
  const own = kinds.SecurityGroup.manifest.parse({ kind: 'SecurityGroup', name: 'own', spec: {} })
  const machines = [
    machine('plain', { addresses: ['10.0.0.7'] }),
    machine('other', { addresses: ['10.0.0.8'], securityGroups: ['own'] }),
  ]
  const { nics, members } = desiredOfManifest([guarded, group, own, ...machines])
  t.deepEqual(
    nics.map(({ groups, filtered }) => [...groups, filtered]),
    [
      ['web', true],
      ['own', true],
    ],
  )
  t.deepEqual(members.get('web'), [{ ipv4: ['10.0.0.7'], ipv6: [] }])
  return t.is(members.get('own')?.length, 1)
})
