import { catalogueOf, resourceKey } from '@purlin/service'
import test from 'ava'
import { admitApply } from '../admit/change.ts'
import { storageDesired } from './storage.ts'
import { virtDesired } from './virt.ts'

const MIB = 2 ** 20
const volume = (name: string) => ({ kind: 'Volume', name, spec: { pool: 'fast', sizeGiB: 0.25 } })

const catalogue = (...disks: readonly object[]) => {
  const documents = [
    {
      kind: 'StoragePool',
      name: 'fast',
      spec: { redundancy: { replicas: 1 }, disks: [{ name: 'd', server: 's', path: '/d' }] },
    },
    volume('vol-a'),
    volume('vol-b'),
    {
      kind: 'VirtualMachine',
      name: 'db-1',
      spec: { cpus: 2, memoryMiB: 128, image: 'probe', disks },
    },
  ]
  const none = catalogueOf(new Map(), 1)
  const { changes } = admitApply(none, documents, ['probe'], 1, { storage: true })
  const records = changes.flatMap(({ kind, name, after }) =>
    after ? [[resourceKey(kind, name), { ...after, revision: 1 }] as const] : [],
  )
  return catalogueOf(new Map(records), 1)
}

const image = { kernel: '/k', initrd: '/i', commandLine: '' }
const grounds = {
  ...{ images: new Map([['probe', image]]), accelerator: 'tcg' as const, logFolder: '/log' },
  runFolder: '/run/m',
  volumeSockets: '/run/b',
}
const storage = {
  ...{ sockets: '/run/b', configuration: '/p.yaml', folder: '/bd' },
  proofs: '/var/lib/purlin-cache',
}

test('disks on volumes are attached as the machine says, each by its own socket', (t) => {
  const { machines } = virtDesired(
    catalogue(
      { name: 'root', volume: 'vol-a' },
      { name: 'data', volume: 'vol-b', attach: 'vhost-user' },
    ),
    grounds,
  )
  t.deepEqual(machines[0]?.disks, [
    {
      ...{ target: 'vda', attach: 'nbd', name: 'root', volume: 'vol-a' },
      ...{ socket: '/run/b/vol-a.sock', sizeBytes: 256 * MIB },
    },
    {
      ...{ target: 'vdb', attach: 'vhost-user', name: 'data', volume: 'vol-b' },
      ...{ socket: '/run/b/vol-b.vhost.sock', sizeBytes: 256 * MIB },
    },
  ])
})

test('a machine whose image is away is left as it is, and not one that leaves', (t) => {
  const found = virtDesired(catalogue(), { ...grounds, images: new Map() })
  t.deepEqual(found.machines, [])
  t.is(found.untold?.length, 1)
  t.deepEqual(virtDesired(catalogue(), grounds).untold, [])
})

test('only who has a volume over NBD connects anew when it grows', (t) => {
  const both = catalogue(
    { name: 'root', volume: 'vol-a' },
    { name: 'data', volume: 'vol-b', attach: 'vhost-user' },
  )
  const { volumes } = storageDesired(both, storage)
  t.deepEqual(
    volumes.map(({ name, attached }) => [name, attached]),
    [
      ['vol-a', true],
      ['vol-b', false],
    ],
  )
})
