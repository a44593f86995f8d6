import { catalogueOf, resourceKey, type StoredRecord } from '@purlin/service'
import test from 'ava'
import { diskDifferences, memoryDifferences } from './differences.ts'
import type { SnapshotRecord } from './record.ts'

const record = (kind: string, name: string, spec: object, uid = `uid-${name}`) =>
  ({ manifest: { kind, name, spec }, uid, generation: 1, revision: 1, createdAtMs: 0 }) as never

const disk = (name: string, volume: string) => ({ name, volume, attach: 'nbd' })
const nic = { name: 'eth0', mac: '52:54:00:00:00:01', deviceKey: '01234567' }
const machineSpec = {
  ...{ cpus: 2, memoryMiB: 512, image: 'probe', nics: [{ name: 'eth0', portGroup: 'prod' }] },
  disks: [disk('root', 'vol-a'), disk('log', 'vol-b')],
}
const snapshot = {
  manifest: {
    kind: 'MachineSnapshot',
    name: 's1',
    spec: {
      shape: { cpus: 2, memoryMiB: 512, image: 'probe', nics: [nic] },
      disks: [
        {
          name: 'root',
          volume: 'vol-a',
          volumeUid: 'uid-vol-a',
          snapshot: 'x',
          sizeBytes: 2 ** 30,
        },
        { name: 'log', volume: 'vol-b', volumeUid: 'uid-vol-b', snapshot: 'y', sizeBytes: 2 ** 30 },
      ],
    },
  },
} as unknown as SnapshotRecord

function found(change: object = {}, { uid = 'uid-vol-b', mac = nic.mac, sizeGiB = 1 } = {}) {
  const machine: StoredRecord<'VirtualMachine'> = record('VirtualMachine', 'web-1', {
    ...machineSpec,
    ...change,
  })
  const records = [
    record('Volume', 'vol-a', { pool: 'fast', sizeGiB }),
    record('Volume', 'vol-b', { pool: 'fast', sizeGiB: 1 }, uid),
    record('Volume', 'vol-c', { pool: 'fast', sizeGiB: 1 }),
    record('Port', 'web-1.eth0', { virtualMachine: 'web-1', ...nic, mac }),
    machine,
  ] as StoredRecord[]
  const byKey = records.map(
    (one) => [resourceKey(one.manifest.kind, one.manifest.name), one] as const,
  )
  const catalogue = catalogueOf(new Map(byKey), 1)
  return {
    disks: diskDifferences(snapshot, machine, catalogue),
    memory: memoryDifferences(snapshot, machine, catalogue),
  }
}

test('a machine that is as it was may be made what it was', (t) => {
  t.deepEqual(found(), { disks: [], memory: [] })
})

test('disks that are others by now are named, each with what it was', (t) => {
  const [root, log] = [disk('root', 'vol-a'), disk('log', 'vol-b')]
  t.deepEqual(found({ disks: [root] }).disks, ['it has no disk log any more'])
  t.deepEqual(found({ disks: [root, log, disk('more', 'vol-c')] }).disks, [
    'it had no disk more then',
  ])
  t.deepEqual(found({ disks: [root, disk('log', 'vol-c')] }).disks, [
    'its disk log is volume vol-c and was vol-b',
  ])
  t.deepEqual(found({}, { uid: 'anew' }).disks, [
    'volume vol-b of its disk log was made anew since',
  ])
  t.deepEqual(found({ disks: [log, root] }).disks, [
    'its disk root is number 2 and was 1',
    'its disk log is number 1 and was 2',
  ])
})

test('memory belongs to the processors, the NICs and the sizes of disks that there were', (t) => {
  t.deepEqual(found({ cpus: 4, memoryMiB: 256 }).memory, [
    'its cpus is 4 and was 2',
    'its memoryMiB is 256 and was 512',
  ])
  t.deepEqual(found({ nics: [] }).memory, ['it has no NIC eth0 any more'])
  t.deepEqual(found({}, { mac: '52:54:00:00:00:02' }).memory, [
    'its NIC eth0 is 52:54:00:00:00:02 and was 52:54:00:00:00:01',
  ])
  t.deepEqual(found({}, { sizeGiB: 2 }).memory, ['volume vol-a has grown since'])
})
