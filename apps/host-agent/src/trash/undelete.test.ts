import { systemClock } from '@purlin/base'
import {
  type AdmittedChange,
  type Catalogue,
  catalogueOf,
  resourceKey,
  type StoredRecord,
} from '@purlin/service'
import { openSqliteStore } from '@purlin/store'
import test from 'ava'
import { admitApply, admitDelete } from '../admit/change.ts'
import { type TrashEntry, trashEntries, trashKey, trimTrash, withTrash } from './entry.ts'
import { admitUndelete } from './undelete.ts'

const vm = (name: string, change: object = {}) => ({
  kind: 'VirtualMachine',
  name,
  spec: {
    ...{ cpus: 1, memoryMiB: 128, image: 'probe' },
    nics: [{ name: 'eth0', portGroup: 'prod', securityGroups: ['web'] }],
    disks: [{ name: 'root', volume: 'vol-a' }],
    ...change,
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
  { kind: 'SecurityGroup', name: 'web', spec: {} },
  {
    kind: 'StoragePool',
    name: 'fast',
    spec: { redundancy: { replicas: 1 }, disks: [{ name: 'd', server: 's', path: 'd.img' }] },
  },
  { kind: 'Volume', name: 'vol-a', spec: { pool: 'fast', sizeGiB: 1 } },
  vm('web-1'),
]

function after(base: Catalogue, { changes }: AdmittedChange): Catalogue {
  const records = new Map<string, StoredRecord>(
    base.all().map((record) => [resourceKey(record.manifest.kind, record.manifest.name), record]),
  )
  for (const each of changes) {
    const key = resourceKey(each.kind, each.name)
    if (each.after) records.set(key, { ...each.after, revision: 1 })
    else records.delete(key)
  }
  return catalogueOf(records, base.revision + 1)
}

const apply = (base: Catalogue, made: readonly object[]): Catalogue =>
  after(base, admitApply(base, made, ['probe'], 1, { storage: true }))

function remove(base: Catalogue, kind: 'VirtualMachine' | 'Volume', name: string) {
  const change = withTrash(admitDelete(base, kind, name, 2), base, { nowMs: 5, keptMs: 1_000 })
  const put = change.writes.find((write) => 'put' in write && write.put.startsWith('/trash/'))
  return { left: after(base, change), entry: (put as { value: TrashEntry } | undefined)?.value }
}

function deleted() {
  const whole = apply(catalogueOf(new Map(), 0), documents)
  const { left, entry } = remove(whole, 'VirtualMachine', 'web-1')
  if (entry === undefined) throw new Error('it went for good')
  return { whole, left, entry }
}

const options = { nowMs: 9, newAddresses: false }

test('a deleted machine comes back as the one that it was: uid, MAC, addresses, its disks; stopped', (t) => {
  const { whole, left, entry } = deleted()
  t.is(left.get('Port', 'web-1.eth0'), undefined)
  const change = admitUndelete(left, entry, options)
  const back = after(left, change)
  const [before, now] = [whole, back].map((one) => one.get('VirtualMachine', 'web-1'))
  t.is(now?.uid, before?.uid)
  t.is(now?.generation, 2)
  t.deepEqual(now?.manifest.spec, { ...before?.manifest.spec, powerState: 'stopped' } as never)
  const [had, has] = [whole, back].map((one) => one.get('Port', 'web-1.eth0')?.manifest.spec)
  t.deepEqual(has, had)
  t.deepEqual(change.writes.at(-1), { delete: trashKey(entry.machine.uid) })
})

test('its address or MAC that another has by now is named, and is another one where that is wanted', (t) => {
  const { left, entry } = deleted()
  const other = apply(left, [vm('web-2', { disks: [] })])
  t.is(other.get('Port', 'web-2.eth0')?.manifest.spec.ipv4[0], '10.0.0.50')
  const refused = t.throws(() => admitUndelete(other, entry, options), {
    code: 'PUR_TRASH_DIFFERS',
  })
  t.regex(refused?.message ?? '', /10\.0\.0\.50 of its NIC web-1\.eth0 is that of web-2\.eth0 now/)
  const back = after(other, admitUndelete(other, entry, { ...options, newAddresses: true }))
  t.is(back.get('Port', 'web-1.eth0')?.manifest.spec.ipv4[0], '10.0.0.51')
  const [one, two] = ['web-1.eth0', 'web-2.eth0'].map(
    (name) => back.get('Port', name)?.manifest.spec,
  )
  t.not(one?.conntrackZone, two?.conntrackZone)
})

test('all that it needs and that is gone or another’s is said at once', (t) => {
  const { left, entry } = deleted()
  const without = remove(left, 'Volume', 'vol-a').left
  const message = (catalogue: Catalogue, hosts?: readonly string[]): string => {
    const found = t.throws(() => admitUndelete(catalogue, { ...entry }, { ...options, hosts }))
    return found?.message ?? ''
  }
  t.regex(message(without), /Volume vol-a is gone/)
  const anew = apply(without, [
    { kind: 'Volume', name: 'vol-a', spec: { pool: 'fast', sizeGiB: 2 } },
  ])
  t.regex(message(anew), /volume vol-a was made anew since/)
  const taken = apply(left, [vm('web-2', { nics: [] })])
  t.regex(message(taken), /volume vol-a is a disk of machine web-2/)
  t.regex(message(apply(left, [vm('web-1', { disks: [] })])), /there is another machine web-1/)
})

test('the trash keeps machines alone, not those that are there again, and forgets in time', async (t) => {
  const { whole, left, entry } = deleted()
  t.is(remove(left, 'Volume', 'vol-a').entry, undefined)
  const change = admitDelete(whole, 'VirtualMachine', 'web-1', 2)
  t.is(withTrash(change, whole, { nowMs: 5, keptMs: 0 }), change)
  const store = await openSqliteStore({ file: ':memory:', clock: systemClock })
  await store.transact({ writes: [{ put: trashKey(entry.machine.uid), value: entry }] })
  t.deepEqual(await trashEntries(store, whole), [])
  t.is((await trashEntries(store, left))[0]?.machine.manifest.name, 'web-1')
  await trimTrash(store, 1_004)
  t.is((await trashEntries(store, left)).length, 1)
  await trimTrash(store, 1_005)
  t.is((await trashEntries(store, left)).length, 0)
  await store.close()
})
