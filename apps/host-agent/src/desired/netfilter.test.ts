import { desiredOfManifest } from '@purlin/netfilter'
import { checkManifest } from '@purlin/schema'
import { catalogueOf, resourceKey, type StoredRecord } from '@purlin/service'
import test from 'ava'
import { admitApply } from '../admit/change.ts'
import { netfilterDesired } from './netfilter.ts'

const machine = (name: string, nic: object): object => ({
  kind: 'VirtualMachine',
  name,
  spec: {
    cpus: 1,
    memoryMiB: 128,
    image: 'probe',
    nics: [{ name: 'eth0', portGroup: 'prod', securityGroups: ['web'], ...nic }],
  },
})
const documents = [
  { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
  {
    kind: 'PortGroup',
    name: 'prod',
    spec: {
      switch: 'dvs0',
      subnets: [
        { cidr: '10.0.0.0/24', gateway: '10.0.0.1', dhcp: { from: '10.0.0.50', to: '10.0.0.99' } },
      ],
    },
  },
  { kind: 'SecurityGroup', name: 'web', spec: { inbound: [] } },
  machine('zebra', {}),
  machine('ape', { addresses: ['10.0.0.50'] }),
  machine('bee', { securityGroups: [] }),
]

test('what is told of a manifest without an agent is what an agent does with it', (t) => {
  const { manifests } = checkManifest(documents)
  const change = admitApply(catalogueOf(new Map(), 0), documents, ['probe'], 1)
  const records = new Map<string, StoredRecord>(
    change.changes.flatMap(({ kind, name, after }) =>
      after === undefined ? [] : [[resourceKey(kind, name), { ...after, revision: 1 }] as const],
    ),
  )
  const enforced = netfilterDesired(catalogueOf(records, 1))
  const told = desiredOfManifest(manifests ?? [])
  const byPort = (a: { port: string }, b: { port: string }): number => (a.port < b.port ? -1 : 1)
  t.is(told.nics.length, 3)
  t.deepEqual(told.nics.toSorted(byPort), enforced.nics.toSorted(byPort))
  t.deepEqual(told.groups, enforced.groups)
  const membersOf = ({ members }: typeof told): readonly string[] =>
    (members.get('web') ?? []).flatMap(({ ipv4 }) => ipv4).toSorted()
  t.deepEqual(membersOf(told), membersOf(enforced))
})
