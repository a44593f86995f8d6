import { readFileSync } from 'node:fs'
import test from 'ava'
import { bareMetalOperations } from '../api/bare-metal/operations.ts'
import { operations } from '../api/operations.ts'
import { bareMetalKinds, hostKinds, kindNames, kinds, type Manifest } from '../resources/kinds.ts'
import { checkBareMetal } from './bare-metal.ts'
import { checkDocument } from './document.ts'
import { checkManifest } from './manifest.ts'
import { withServiceNetworks } from './service-network.ts'

const secret = { kind: 'Secret', name: 'bmc-1', spec: { passwordFile: './bmc-1.password' } }
const network = {
  kind: 'DeploymentNetwork',
  name: 'deploy0',
  spec: {
    interface: 'deploy0',
    subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
  },
}
const chassis = (name: string, more: object = {}, bmc: object = {}): object => ({
  kind: 'Chassis',
  name,
  spec: {
    bmc: { protocol: 'ipmi', address: '10.9.0.7', secret: 'bmc-1', ...bmc },
    bootMac: '52:54:00:88:00:07',
    network: 'deploy0',
    ...more,
  },
})
const template = {
  kind: 'DeploymentTemplate',
  name: 'db',
  spec: {
    disks: [
      { match: { smallest: true }, partitions: [{ grow: true, filesystem: 'ext4', mount: '/' }] },
    ],
    network: {
      bonds: [{ name: 'bond0', mode: 'active-backup', members: [{ mac: '52:54:00:88:00:07' }] }],
      vlans: [{ name: 'shop', parent: 'bond0', id: 30 }],
    },
  },
}
const portGroups = [
  { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
  { kind: 'PortGroup', name: 'plain', spec: { switch: 'dvs0' } },
  { kind: 'PortGroup', name: 'prod', spec: { switch: 'dvs0', vlan: 20 } },
  { kind: 'PortGroup', name: 'shop', spec: { switch: 'dvs0', vlan: 30 } },
]

function manifestsOf(documents: readonly object[]): readonly Manifest[] {
  return documents.map((document) => {
    const { manifest, problems } = checkDocument(document)
    if (manifest === undefined) throw new Error(JSON.stringify(problems))
    return manifest
  })
}

function found(documents: readonly object[]): string[] {
  return checkBareMetal(manifestsOf(documents)).map(
    ({ kind, name, path, message }) => `${kind} ${name} ${path}: ${message}`,
  )
}

test('every kind has a daemon, and every call of bare metal its own place', (t) => {
  t.deepEqual([...new Set<string>([...bareMetalKinds, ...hostKinds])].sort(), [...kindNames].sort())
  const places = Object.values(bareMetalOperations).map(({ method, path }) => `${method} ${path}`)
  t.is(new Set(places).size, places.length)
  for (const name of Object.keys(bareMetalOperations)) {
    const shared = name in operations
    t.is(shared, !/chassis|instance|media|image|template|dhcp|enrol/i.test(name), name)
  }
})

test('the example of bare metal is whole, and nothing in it contradicts itself', (t) => {
  const text = readFileSync(
    new URL('../../../../examples/bare-metal.yaml', import.meta.url),
    'utf8',
  )
  const kindsThere = [...text.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind)
  t.true(kindsThere.every((kind) => bareMetalKinds.some((one) => one === kind)))
  const { problems } = checkManifest([secret, network, chassis('rack1-u07')])
  t.deepEqual(problems, [])
  t.deepEqual(found([secret, network, chassis('rack1-u07')]), [])
})

test('a BMC outside the IPMI network that its chassis names is refused', (t) => {
  const bmcNetwork = { kind: 'IpmiNetwork', name: 'oob', spec: { cidr: '10.9.0.0/24' } }
  const named = (address: string): object => chassis('c1', {}, { network: 'oob', address })
  t.deepEqual(found([bmcNetwork, network, named('10.9.0.7')]), [])
  for (const address of ['10.9.1.7', 'bmc.example', 'fd00::1']) {
    t.deepEqual(found([bmcNetwork, network, named(address)]), [
      `Chassis c1 spec.bmc.address: ${address} is no address of IpmiNetwork oob (10.9.0.0/24)`,
    ])
  }
  const [problem] = checkManifest([secret, network, named('10.9.0.7')]).problems
  t.is(problem?.message, 'no IpmiNetwork named oob')
})

test('a deployment network never overlaps with another network, nor shares its interface', (t) => {
  const management = (cidr: string, nic: string): object => ({
    kind: 'ManagementNetwork',
    name: 'office',
    spec: { cidr, interface: nic },
  })
  t.deepEqual(found([network, management('10.89.0.0/24', 'eth0')]), [])
  t.deepEqual(found([network, management('10.88.0.128/25', 'deploy0')]), [
    'DeploymentNetwork deploy0 spec.subnet.cidr: 10.88.0.0/24 overlaps with 10.88.0.128/25 of ManagementNetwork office',
    'DeploymentNetwork deploy0 spec.interface: deploy0 is the interface of ManagementNetwork office; DHCP and network boot are answered there',
  ])
  t.is(found([network, { ...network, name: 'deploy1' }]).length, 2)
})

test('a MAC, a BMC, an address and a chassis have one owner', (t) => {
  const other = { bootMac: '52:54:00:88:00:08' }
  t.deepEqual(found([network, chassis('a'), chassis('b', other, { address: '10.9.0.8' })]), [])
  t.deepEqual(found([network, chassis('a'), chassis('b')]), [
    'Chassis b spec.bootMac: 52:54:00:88:00:07 is of chassis a already',
    'Chassis b spec.bmc.address: the BMC at 10.9.0.7 is of chassis a already',
  ])
  const fixed = { address: '10.88.0.20' }
  t.deepEqual(
    found([network, chassis('a', fixed), chassis('b', { ...other, ...fixed }, { port: 9001 })]),
    ['Chassis b spec.address: 10.88.0.20 is of chassis a already'],
  )
  t.deepEqual(found([network, chassis('a', { address: '10.89.0.20' })]), [
    'Chassis a spec.address: 10.89.0.20 is no address of DeploymentNetwork deploy0 (10.88.0.0/24)',
  ])
  const instance = (name: string): object => ({
    kind: 'BareMetalInstance',
    name,
    spec: { chassis: 'a', template: 'db', source: { image: 'debian' } },
  })
  t.deepEqual(found([instance('one'), instance('two')]), [
    'BareMetalInstance two spec.chassis: a is the chassis of instance one already',
  ])
})

test('a port group becomes a VLAN interface of the template, with its address', (t) => {
  const [parsed] = manifestsOf([template])
  if (parsed?.kind !== 'DeploymentTemplate') throw new Error('no template')
  const groups = manifestsOf(portGroups)
  const portGroup = (name: string) =>
    groups.find((one) => one.kind === 'PortGroup' && one.name === name)?.spec as never
  const { spec, problems } = withServiceNetworks(
    parsed.spec,
    [
      { portGroup: 'prod', interface: 'bond0', cidr: '10.20.0.5/24', gateway: '10.20.0.1' },
      { portGroup: 'shop', interface: 'bond0', dhcp: true },
      { portGroup: 'plain', interface: 'bond0', cidr: '10.0.0.5/24' },
    ],
    portGroup,
  )
  t.deepEqual(problems, [])
  t.deepEqual(spec.network.vlans, [
    { name: 'shop', parent: 'bond0', id: 30 },
    { parent: 'bond0', id: 20 },
  ])
  t.deepEqual(spec.network.addresses, [
    { interface: 'bond0.20', cidr: '10.20.0.5/24', gateway: '10.20.0.1' },
    { interface: 'shop', dhcp: true },
    { interface: 'bond0', cidr: '10.0.0.5/24' },
  ])
})

test('a service network that its template cannot carry is refused with its path', (t) => {
  const instance = (service: readonly object[]): object => ({
    kind: 'BareMetalInstance',
    name: 'db-1',
    spec: { chassis: 'a', template: 'db', source: { image: 'debian' }, service },
  })
  const refused = (service: object): string[] =>
    found([...portGroups, template, instance([service])])
  const prefix = 'BareMetalInstance db-1 spec.service'
  t.deepEqual(refused({ portGroup: 'prod', interface: 'eth9' }), [
    `${prefix}[0].interface: the template has no NIC or bond named eth9`,
  ])
  t.deepEqual(refused({ portGroup: 'prod', interface: 'bond0', gateway: '10.0.0.1' }), [
    `${prefix}[0].gateway: only a fixed address has a gateway`,
  ])
  t.deepEqual(
    refused({ portGroup: 'prod', interface: 'bond0', cidr: '10.0.0.5/24', gateway: '10.1.0.1' }),
    [
      `${prefix}: with it, network.addresses[0].gateway of the template 10.1.0.1 is not on the network of 10.0.0.5/24`,
    ],
  )
  const missing = checkManifest([instance([{ portGroup: 'gone', interface: 'bond0' }])]).problems
  t.true(missing.some(({ path }) => path === 'spec.service[0].portGroup'))
})

test('the trust of a Redfish BMC is said, and fields go with their protocol', (t) => {
  const problems = (bmc: object): string[] =>
    (checkDocument(chassis('c1', {}, bmc)).problems ?? []).map(
      ({ path, message }) => `${path} ${message}`,
    )
  const pin = 'AB:'.repeat(31).concat('AB')
  t.deepEqual(problems({ protocol: 'redfish', certificateSha256: pin }), [])
  t.deepEqual(problems({ protocol: 'redfish', plainHttp: true }), [])
  t.deepEqual(problems({ protocol: 'redfish' }), [
    'spec.bmc.protocol redfish needs one of certificateSha256, certificateAuthority and plainHttp: true',
  ])
  t.deepEqual(problems({ protocol: 'redfish', plainHttp: true, cipher: 17 }), [
    'spec.bmc.cipher goes with protocol ipmi',
  ])
  t.deepEqual(problems({ systemId: 'system-1' }), ['spec.bmc.systemId goes with protocol redfish'])
})

test('the addresses of a deployment network are in its subnet, in their order', (t) => {
  const problems = (subnet: object): string[] => {
    const spec = { ...network.spec, subnet: { ...network.spec.subnet, ...subnet } }
    return (checkDocument({ ...network, spec }).problems ?? []).map(
      ({ path, message }) => `${path} ${message}`,
    )
  }
  t.deepEqual(problems({}), [])
  t.deepEqual(problems({ from: '10.88.1.1' }), [
    'spec.subnet.from 10.88.1.1 is not in 10.88.0.0/24',
  ])
  t.deepEqual(problems({ gateway: '10.0.0.1' }), [
    'spec.subnet.gateway 10.0.0.1 is not in 10.88.0.0/24',
  ])
  t.deepEqual(problems({ to: '10.88.0.2' }), ['spec.subnet.to 10.88.0.2 is before 10.88.0.100'])
  t.is(problems({ cidr: 'fd00::/64' }).length, 1)
})

test('kinds of bare metal have words of their own', (t) => {
  const words = bareMetalKinds.map((kind) => kinds[kind].plural)
  t.is(new Set(words).size, bareMetalKinds.length)
})
