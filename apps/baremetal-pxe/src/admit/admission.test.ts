import { createVirtualClock, type PurlinError, toPurlinError } from '@purlin/base'
import { checkDocument, type DiscoveryReport, type Manifest } from '@purlin/schema'
import {
  type AdmittedChange,
  type Catalogue,
  catalogueAfter,
  catalogueOf,
  type StoredRecord,
} from '@purlin/service'
import { openSqliteStore } from '@purlin/store'
import test, { type ExecutionContext } from 'ava'
import type { Life } from '../life/index.ts'
import { newLife } from '../life/life.ts'
import { ManifestFiles } from '../secrets/manifest-files.ts'
import { type Beside, createAdmission } from './admission.ts'

const MAC = '52:54:00:88:00:07'
const KEY = `ssh-ed25519 ${'A'.repeat(68)} ops@example`
const network = {
  kind: 'DeploymentNetwork',
  name: 'deploy0',
  spec: {
    interface: 'deploy0',
    subnet: { cidr: '10.88.0.0/24', from: '10.88.0.1', to: '10.88.0.3', gateway: '10.88.0.1' },
  },
}
const secret = {
  kind: 'Secret',
  name: 'bmc-1',
  spec: { username: 'admin', passwordFile: './bmc-1.password' },
}
const chassis = {
  kind: 'Chassis',
  name: 'rack1-u07',
  spec: {
    bmc: { protocol: 'ipmi', address: '127.0.0.1', port: 9001, secret: 'bmc-1' },
    ...{ bootMac: MAC, firmware: 'bios', network: 'deploy0' },
  },
}
const media = {
  kind: 'InstallMedia',
  name: 'debian-13',
  spec: { family: 'debian', version: '13', iso: './debian-13.iso' },
}
const template = {
  kind: 'DeploymentTemplate',
  name: 'db-server',
  spec: {
    users: [{ name: 'ops', sshKeys: ['./ops.pub'], sudo: true }],
    disks: [
      {
        match: { smallest: true, minSizeGiB: 4 },
        partitions: [{ grow: true, filesystem: 'ext4', mount: '/' }],
      },
    ],
    network: {
      nics: [{ name: 'eth0', mac: MAC }],
      addresses: [{ interface: 'eth0', dhcp: true }],
    },
  },
}
const instance = {
  kind: 'BareMetalInstance',
  name: 'db-1',
  spec: { chassis: 'rack1-u07', template: 'db-server', source: { media: 'debian-13' } },
}
const whole = [network, secret, chassis, media, template, instance]
const files = { './bmc-1.password': 'hunter2', './ops.pub': KEY }

function reportWith(diskGiB: number): DiscoveryReport {
  const disk = { name: 'sda', serial: 'S1', sizeBytes: diskGiB * 1_073_741_824 }
  return {
    ...{ version: 1, system: {}, firmware: { mode: 'bios' } },
    cpu: { architecture: 'x86_64', sockets: [{ model: 'CPU', cores: 1, threads: 1 }] },
    memory: { sizeMiB: 1024, modules: [] },
    disks: [
      {
        ...{ ...disk, links: ['scsi-S1'], rotational: false, removable: false, readOnly: false },
        ...{ transport: 'sata', logicalBlockBytes: 512 },
      },
    ],
    nics: [{ name: 'eth0', mac: MAC, link: true }],
    gpus: [],
    pci: [],
  } as unknown as DiscoveryReport
}

async function rig(t: ExecutionContext) {
  const clock = createVirtualClock(1_700_000_000_000)
  const store = await openSqliteStore({ file: ':memory:', clock })
  t.teardown(() => store.close())
  const lives = new Map<string, Life>()
  const reports = new Map<string, DiscoveryReport>()
  const admission = createAdmission({
    ...{ clock, store, files: new ManifestFiles(store, Buffer.alloc(32, 7)) },
    lifeOf: (name) => lives.get(name),
    reportOf: async (name) => reports.get(name),
    imageSha256: () => undefined,
    accountProblem: (_, { password }) => (password.length > 20 ? 'at most 20 bytes' : undefined),
    ownAddresses: async () => [],
  })
  let catalogue: Catalogue = catalogueOf(new Map<string, StoredRecord>(), 0)
  const admit = (documents: readonly object[], beside: Beside = { files }) =>
    admission.apply(catalogue, documents, beside)
  const refusal = async (documents: readonly object[], beside?: Beside): Promise<PurlinError> =>
    toPurlinError(await t.throwsAsync(admit(documents, beside)))
  return {
    ...{ store, lives, reports, admission, admit, refusal },
    current: () => catalogue,
    take: async (change: AdmittedChange): Promise<AdmittedChange> => {
      await store.transact({ writes: change.writes })
      catalogue = catalogueAfter(catalogue, change)
      return change
    },
  }
}

const life = (more: Partial<Life>): Life => ({
  ...newLife({ name: 'rack1-u07', uid: 'u', bootMac: MAC, firmware: 'bios' }, 0),
  ...more,
})
const putsOf = ({ writes }: AdmittedChange): string[] =>
  writes.flatMap((write) => ('put' in write ? [write.put] : []))
const places = ({ problems }: PurlinError): string[] =>
  problems.map(({ document, path }) => `${document} ${path}`)

test('a whole manifest is admitted in one change, with its files sealed and an address given', async (t) => {
  const { admit, store, take } = await rig(t)
  const change = await take(await admit(whole))
  t.is(change.changes.length, 6)
  const puts = putsOf(change)
  t.true(puts.includes('/address/rack1-u07'))
  t.is(puts.filter((key) => key.startsWith('/manifest-file/')).length, 2)
  t.false(JSON.stringify(change.writes).includes('hunter2'))
  t.deepEqual((await store.get('/address/rack1-u07'))?.value, {
    network: 'deploy0',
    address: '10.88.0.2',
  })
  t.deepEqual((await admit(whole, {})).writes, [], 'the same again changes nothing')
})

test('a file that never came is told by document and path; one of another kind too', async (t) => {
  const { refusal } = await rig(t)
  t.deepEqual(places(await refusal(whole, { files: { './ops.pub': KEY } })), [
    '1 spec.passwordFile',
  ])
  const hash = { ...files, './ops.pub': 'not a key' }
  t.deepEqual(places(await refusal(whole, { files: hash })), ['4 spec.users[0].sshKeys[0]'])
  const long = { ...files, './bmc-1.password': 'x'.repeat(21) }
  const error = await refusal(whole, { files: long })
  t.deepEqual(places(error), ['1 spec.passwordFile'])
  t.false(JSON.stringify(error.toProblem()).includes('xxxx'))
  const control = { ...files, './bmc-1.password': 'a\u0007b' }
  t.deepEqual(places(await refusal(whole, { files: control })), ['1 spec.passwordFile'])
})

test('a MAC, a BMC and a chassis have one owner, whoever came first', async (t) => {
  const { admit, refusal, take } = await rig(t)
  await take(await admit(whole))
  const twin = { ...chassis, name: 'twin' }
  t.deepEqual(places(await refusal([twin])).toSorted(), ['0 spec.bmc.address', '0 spec.bootMac'])
  const second = { ...instance, name: 'db-2' }
  t.deepEqual(places(await refusal([second])), ['0 spec.chassis'])
})

test('addresses are kept, are free of gateways, and end where the range does', async (t) => {
  const { admit, refusal, take, store } = await rig(t)
  await take(await admit(whole))
  const another = (index: number) => ({
    ...{ kind: 'Chassis', name: `rack1-u0${index}` },
    spec: {
      ...chassis.spec,
      bmc: { ...chassis.spec.bmc, port: 9100 + index },
      bootMac: `52:54:00:88:01:0${index}`,
    },
  })
  await take(await admit([another(1)]))
  t.like((await store.get('/address/rack1-u01'))?.value, { address: '10.88.0.3' })
  const full = await refusal([another(2)])
  t.deepEqual(places(full), ['0 spec.network'])
  t.regex(full.problems[0]?.message ?? '', /no free address from 10\.88\.0\.1 to 10\.88\.0\.3/)
  const at = (address: string) => {
    const fixed = another(2)
    return { ...fixed, spec: { ...fixed.spec, address } }
  }
  t.deepEqual(places(await refusal([at('10.88.0.3')])), ['0 spec.address'], 'another has it')
  t.true(putsOf(await admit([at('10.88.0.9')])).includes('/address/rack1-u02'), 'out of the range')
})

test('a template is laid out on the newest report before the power goes on', async (t) => {
  const { admit, refusal, take, reports } = await rig(t)
  await take(await admit(whole.slice(0, 5)))
  reports.set('rack1-u07', reportWith(2))
  const alone = await refusal([instance])
  t.deepEqual(places(alone), ['0 spec.template'])
  t.regex(alone.problems[0]?.message ?? '', /DeploymentTemplate db-server, spec\.disks\[0\]/)
  t.deepEqual(places(await refusal([template, instance])), ['0 spec.disks[0].match'])
  reports.set('rack1-u07', reportWith(8))
  t.is((await admit([instance])).changes.length, 1)
})

test('kinds of hosts are refused with who serves them', async (t) => {
  const { refusal } = await rig(t)
  const error = await refusal([{ kind: 'SecurityGroup', name: 'web', spec: {} }])
  t.is(error.code, 'PUR_KIND_NOT_SERVED')
  t.regex(error.message, /SecurityGroup web: .*purlin-host-agent.*nothing was applied/)
})

test('what is installed stays what it is; how it is released may change', async (t) => {
  const { admit, refusal, take, lives, current } = await rig(t)
  await take(await admit(whole))
  const uid = current().get('BareMetalInstance', 'db-1')?.uid ?? ''
  const deployment = { instance: 'db-1', uid, generation: 1, touched: true }
  lives.set('rack1-u07', life({ state: 'active', deployment }))
  const renamed = { ...instance, spec: { ...instance.spec, hostname: 'other' } }
  t.deepEqual(places(await refusal([renamed])), ['0 spec.hostname'])
  t.is(
    (await admit([{ ...instance, spec: { ...instance.spec, release: 'full' } }])).changes.length,
    1,
  )
  lives.set('rack1-u07', life({ state: 'failed', deployment }))
  t.is((await admit([renamed])).changes.length, 1, 'what failed may be mended')
  lives.set('rack1-u07', life({ state: 'discovering', deadlineAtMs: 1 }))
  const other = { ...chassis, spec: { ...chassis.spec, firmware: 'uefi' } }
  t.deepEqual(places(await refusal([other])), ['0 spec.firmware'])
})

test('a changed file is a new generation of its resource, though the document is the same', async (t) => {
  const { admit, take } = await rig(t)
  await take(await admit(whole))
  const change = await admit([secret], { files: { './bmc-1.password': 'other' } })
  t.like(change.changes[0], { action: 'update', name: 'bmc-1', after: { generation: 2 } })
})

test('deleting takes files and addresses along, and remembers how disks are to be erased', async (t) => {
  const { admit, admission, take, current, lives } = await rig(t)
  await take(await admit(whole))
  await t.throwsAsync(async () => admission.remove(current(), 'Secret', 'bmc-1', undefined), {
    code: 'PUR_RESOURCE_IN_USE',
  })
  const gone = await admission.remove(current(), 'BareMetalInstance', 'db-1', { erase: 'full' })
  const release = gone.writes.find((write) => 'put' in write)
  t.like(release, { put: '/release/rack1-u07', value: { instance: 'db-1', erase: 'full' } })
  await take(gone)
  lives.set('rack1-u07', life({ state: 'erasing', deadlineAtMs: 1 }))
  await t.throwsAsync(async () => admission.remove(current(), 'Chassis', 'rack1-u07', undefined), {
    code: 'PUR_RESOURCE_IN_USE',
  })
  lives.clear()
  const left = await admission.remove(current(), 'Chassis', 'rack1-u07', undefined)
  t.deepEqual(
    left.writes.flatMap((write) => ('delete' in write ? [write.delete] : [])).toSorted(),
    ['/address/rack1-u07', '/resource/Chassis/rack1-u07'],
  )
})

test('the documents of these tests fit their schemas', (t) => {
  for (const document of whole) {
    const { manifest } = checkDocument(document) as { manifest?: Manifest }
    t.truthy(manifest, document.kind)
  }
})
