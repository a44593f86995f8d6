import { type AdmittedChange, catalogueOf, resourceKey, type StoredRecord } from '@purlin/service'
import test from 'ava'
import { admitApply, admitDelete } from './change.ts'

const dvs = { kind: 'DistributedSwitch', name: 'dvs0', spec: {} }
const prod = {
  kind: 'PortGroup',
  name: 'prod',
  spec: {
    switch: 'dvs0',
    subnets: [
      { cidr: '10.0.0.0/24', gateway: '10.0.0.1', dhcp: { from: '10.0.0.50', to: '10.0.0.99' } },
    ],
  },
}
const web = { kind: 'SecurityGroup', name: 'web', spec: {} }
const vm = {
  kind: 'VirtualMachine',
  name: 'web-1',
  spec: {
    cpus: 1,
    memoryMiB: 128,
    image: 'probe',
    nics: [{ name: 'eth0', portGroup: 'prod', securityGroups: ['web'] }],
  },
}
const empty = catalogueOf(new Map(), 0)

function after(change: AdmittedChange, base = empty, revision = 1) {
  const records = new Map<string, StoredRecord>(
    base.all().map((record) => [resourceKey(record.manifest.kind, record.manifest.name), record]),
  )
  for (const each of change.changes) {
    const key = resourceKey(each.kind, each.name)
    if (each.after) records.set(key, { ...each.after, revision })
    else records.delete(key)
  }
  return catalogueOf(records, revision)
}
const whole = [dvs, prod, web, vm]

test('a manifest is one transaction, and a machine’s port is part of it', (t) => {
  const change = admitApply(empty, whole, ['probe'], 1)
  t.deepEqual(
    change.changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`),
    [
      'create DistributedSwitch dvs0',
      'create PortGroup prod',
      'create SecurityGroup web',
      'create VirtualMachine web-1',
      'create Port web-1.eth0',
    ],
  )
  t.is(change.writes.length, 5)
})

test('a volume is a disk of one machine, and is not deleted under it', (t) => {
  const pool = {
    kind: 'StoragePool',
    name: 'fast',
    spec: { redundancy: { replicas: 1 }, disks: [{ name: 'd', server: 's', path: 'd.img' }] },
  }
  const volume = { kind: 'Volume', name: 'vol-a', spec: { pool: 'fast', sizeGiB: 1 } }
  const on = (name: string) => ({
    ...vm,
    name,
    spec: { ...vm.spec, nics: [], disks: [{ name: 'root', volume: 'vol-a' }] },
  })
  const storage = { storage: true }
  const first = admitApply(empty, [pool, volume, on('db-1')], ['probe'], 1, storage)
  const catalogue = after(first)
  const shared = t.throws(() => admitApply(catalogue, [on('db-2')], ['probe'], 2, storage))
  t.like(shared, {
    code: 'PUR_INVALID',
    problems: [
      {
        path: 'VirtualMachine db-2: spec.disks[0].volume',
        message: 'volume vol-a is a disk of machine db-1; clone it',
      },
    ],
  })
  const inUse = t.throws(() => admitDelete(catalogue, 'Volume', 'vol-a', 3))
  t.regex(inUse?.message ?? '', /named by VirtualMachine db-1;/)
})

test('applying the same manifest again changes nothing', (t) => {
  const catalogue = after(admitApply(empty, whole, ['probe'], 1))
  t.deepEqual(admitApply(catalogue, whole, ['probe'], 2).changes, [])
})

const rule = { family: 'ipv4', protocol: 'tcp', ports: ['80'], action: 'allow' }
const deny = { ...rule, action: 'deny' }

test('rules get ids; the same manifest without them again changes nothing', (t) => {
  const group = { ...web, spec: { inbound: [rule, deny, rule], outbound: [rule] } }
  const first = admitApply(empty, [group], [], 1)
  const catalogue = after(first)
  const rulesOf = (from: typeof catalogue) => {
    const spec = from.get('SecurityGroup', 'web')?.manifest.spec
    return { inbound: spec?.inbound ?? [], outbound: spec?.outbound ?? [] }
  }
  const { inbound, outbound } = rulesOf(catalogue)
  const ids = [...inbound, ...outbound].map(({ id }) => id)
  t.is(new Set(ids).size, 4)
  t.false(ids.includes(undefined))
  t.deepEqual(admitApply(catalogue, [group], [], 2).changes, [])
  const moved = { ...web, spec: { inbound: [deny, rule, rule], outbound: [rule] } }
  const next = rulesOf(after(admitApply(catalogue, [moved], [], 2), catalogue, 2))
  t.is(next.inbound[0]?.id, inbound[1]?.id)
  t.deepEqual(next.outbound, outbound)
})

test('a changed spec counts one generation up', (t) => {
  const catalogue = after(admitApply(empty, whole, ['probe'], 1), empty, 7)
  const changed = { ...web, spec: { allowWithinGroup: false } }
  const change = admitApply(catalogue, [changed], ['probe'], 2)
  t.is(change.changes.length, 1)
  t.like(change.changes[0], { action: 'update', kind: 'SecurityGroup', after: { generation: 2 } })
})

test('nothing is applied when one document is bad; every problem is told with its document', (t) => {
  const bad = { ...vm, spec: { ...vm.spec, nics: [{ name: 'eth0', portGroup: 'none' }] } }
  const error = t.throws(() => admitApply(empty, [dvs, bad, { kind: 'Nope' }], ['probe'], 1))
  t.like(error, { code: 'PUR_INVALID' })
  t.deepEqual(
    (error as unknown as { problems: { document: number; path: string }[] }).problems.map(
      ({ document, path }) => `${document} ${path}`,
    ),
    ['1 spec.nics[0].portGroup', '2 kind'],
  )
})

test('a machine whose image is not on the host is refused with the images there are', (t) => {
  const error = t.throws(() => admitApply(empty, whole, ['debian'], 1))
  t.like(error, { problems: [{ document: 3, path: 'spec.image' }] })
})

test('a kind without a driver is refused, not stored', (t) => {
  const topology = {
    kind: 'Topology',
    name: 'default',
    spec: {
      roots: [{ datacenter: 'd', rooms: [{ room: 'r', racks: [{ rack: 'k', servers: ['s'] }] }] }],
    },
  }
  t.throws(() => admitApply(empty, [topology], [], 1), { code: 'PUR_KIND_NOT_SERVED' })
})

test('a resource that others name cannot be deleted; a machine goes with its ports', (t) => {
  const catalogue = after(admitApply(empty, whole, ['probe'], 1))
  t.throws(() => admitDelete(catalogue, 'SecurityGroup', 'web', 2), {
    code: 'PUR_RESOURCE_IN_USE',
    message: /VirtualMachine web-1/,
  })
  const change = admitDelete(catalogue, 'VirtualMachine', 'web-1', 2)
  t.deepEqual(
    change.changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`),
    ['delete VirtualMachine web-1', 'delete Port web-1.eth0'],
  )
  t.throws(() => admitDelete(catalogue, 'VirtualMachine', 'web-9', 2), {
    code: 'PUR_RESOURCE_MISSING',
  })
})

test('a group that names itself can be deleted', (t) => {
  const rule = { family: 'ipv4', protocol: 'all', source: { groups: ['web'] }, action: 'allow' }
  const catalogue = after(admitApply(empty, [{ ...web, spec: { inbound: [rule] } }], [], 1))
  t.is(admitDelete(catalogue, 'SecurityGroup', 'web', 2).changes.length, 1)
})

test('a kind of bare metal is refused with the name of the daemon that serves it', (t) => {
  const secret = { kind: 'Secret', name: 'bmc-1', spec: { passwordFile: './bmc-1.password' } }
  t.throws(() => admitApply(empty, [secret], [], 1), {
    code: 'PUR_KIND_NOT_SERVED',
    message: /Secret bmc-1: .*purlin-baremetal-pxe.*purlin bm.*nothing was applied/,
  })
})
