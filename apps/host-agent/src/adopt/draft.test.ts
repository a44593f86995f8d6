import { catalogueOf, type StoredRecord } from '@purlin/service'
import type { DiskReading, ForeignMachine } from '@purlin/virt'
import test from 'ava'
import { type DraftGrounds, draftAdoption } from './draft.ts'
import { misusedUuids, withUuid } from './machine-uuids.ts'

const UUID = '6a2f41a3-c54c-fce8-32d2-0324e1c32e22'
const MAC = '52:54:00:00:00:09'

const record = (kind: string, name: string, spec: object): [string, StoredRecord] => [
  `/resource/${kind}/${name}`,
  {
    manifest: { kind, name, spec },
    ...{ uid: 'u1', generation: 1, revision: 1, createdAtMs: 0 },
  } as StoredRecord,
]
const catalogue = catalogueOf(
  new Map([
    record('PortGroup', 'prod', { switch: 'dvs0', vlan: 10 }),
    record('PortGroup', 'test', { switch: 'dvs0', vlan: 20 }),
    record('PortGroup', 'twin', { switch: 'dvs0', vlan: 20 }),
    record('Volume', 'db', { pool: 'fast', sizeGiB: 1 }),
    record('VirtualMachine', 'web-1', { uuid: UUID }),
  ]),
  1,
)
const grounds: DraftGrounds = {
  catalogue,
  images: new Map([['probe', { kernel: '/k', initrd: '/i', commandLine: 'c' }]]),
  volumeSockets: '/sockets',
  host: 'a',
}
const foreign: ForeignMachine = {
  ...{ name: 'db-1', uuid: UUID, state: 'running', cpus: 2, memoryMiB: 256 },
  ...{ kernel: '/k', initrd: '/i', commandLine: 'c' },
  ...{ nics: [], disks: [], obstacles: [], leaves: [] },
}
const nic = (vlan: number) => ({
  mac: MAC,
  tapDevice: 'vnet0',
  plugged: { bridge: 'dvs0', vlan },
})
const disk: DiskReading = {
  ...{ target: 'vda', file: '', format: '', readonly: false, limits: '', alias: '' },
  ...{ queues: undefined, ioThread: undefined, attach: 'nbd' },
  ...{ name: 'data', volume: 'db', socket: '/sockets/db.sock' },
}

test('a domain that fits is the machine that it would be, with its UUID, MACs and volumes', (t) => {
  const whole = { ...foreign, nics: [nic(10)], disks: [disk] }
  const { manifest, obstacles, changes } = draftAdoption(whole, [], grounds)
  t.deepEqual(obstacles, [])
  t.deepEqual(manifest, {
    kind: 'VirtualMachine',
    name: 'db-1',
    spec: {
      ...{ host: 'a', image: 'probe', uuid: UUID, cpus: 2, memoryMiB: 256, powerState: 'running' },
      nics: [{ name: 'eth0', portGroup: 'prod', mac: MAC }],
      disks: [{ name: 'data', volume: 'db' }],
    },
  })
  t.regex(changes.join(), /no rule is in force/)
})

const cases: readonly (readonly [string, Partial<ForeignMachine>, RegExp])[] = [
  ['a name that is none of a resource', { name: 'Db_1' }, /virsh domrename/],
  ['the name of a machine', { name: 'web-1' }, /a VirtualMachine named web-1 already/],
  ['another kernel', { kernel: '/other' }, /as no image here does: probe/],
  ['a NIC in no port group', { nics: [nic(99)] }, /fits no port group; say which/],
  ['a NIC in a VLAN of two', { nics: [nic(20)] }, /fits several port groups: test, twin/],
  ['a disk elsewhere', { disks: [{ ...disk, socket: '/tmp/db.sock' }] }, /no volume of this host/],
  ['a disk of another volume', { disks: [{ ...disk, volume: 'x' }] }, /no volume of this host/],
  ['a disk without a serial number', { disks: [{ ...disk, name: '' }] }, /no serial number/],
]
for (const [what, change, expected] of cases) {
  test(`in the way: ${what}`, (t) => {
    const { obstacles } = draftAdoption({ ...foreign, ...change }, [], grounds)
    t.is(obstacles.length, 1)
    t.regex(obstacles[0] ?? '', expected)
  })
}

test('a NIC goes where it is told to; a MAC that the domain does not have is said', (t) => {
  const places = [{ mac: MAC.toUpperCase(), portGroup: 'prod' }]
  const told = draftAdoption({ ...foreign, nics: [nic(20)] }, places, grounds)
  t.deepEqual(told.obstacles, [])
  t.regex(draftAdoption(foreign, places, grounds).obstacles.join(), /no NIC with the MAC/)
})

test('a machine keeps its UUID, and no two have one', (t) => {
  const machine = (name: string, uuid?: string) =>
    ({ kind: 'VirtualMachine', name, spec: { ...(uuid && { uuid }) } }) as never
  t.deepEqual(misusedUuids(catalogue, [machine('web-1', UUID), machine('new')]), [])
  const other = UUID.replace('6a', '6b')
  t.regex(misusedUuids(catalogue, [machine('web-1', other)])[0]?.message ?? '', /keeps its UUID/)
  t.regex(misusedUuids(catalogue, [machine('new', UUID)])[0]?.message ?? '', /web-1 has this UUID/)
  t.like(withUuid(catalogue, machine('web-1')), { spec: { uuid: UUID } })
  t.like(withUuid(catalogue, machine('new')), { spec: {} })
})
