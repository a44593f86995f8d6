import { PurlinError } from '@purlin/base'
import { type ContentStatus, kinds, type Manifest } from '@purlin/schema'
import { catalogueOf, resourceKey, type StoredRecord, type TaskTarget } from '@purlin/service'
import test from 'ava'
import type { Life } from '../life/index.ts'
import { newLife } from '../life/life.ts'
import type { NetworkStanding } from '../service/boot-network.ts'
import type { DaemonView } from './daemon-view.ts'
import { standingOf } from './standing.ts'

const network = kinds.DeploymentNetwork.manifest.parse({
  kind: 'DeploymentNetwork',
  name: 'deploy0',
  spec: {
    interface: 'deploy0',
    subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
  },
})
const media = kinds.InstallMedia.manifest.parse({
  kind: 'InstallMedia',
  name: 'm',
  spec: { family: 'debian', version: '13', iso: './d.iso' },
})
const chassis = kinds.Chassis.manifest.parse({
  kind: 'Chassis',
  name: 'c1',
  spec: {
    bmc: { protocol: 'ipmi', address: '127.0.0.1', secret: 's' },
    ...{ bootMac: '52:54:00:88:00:07', network: 'deploy0' },
  },
})
const instance = kinds.BareMetalInstance.manifest.parse({
  kind: 'BareMetalInstance',
  name: 'i1',
  spec: { chassis: 'c1', template: 't', source: { media: 'm' } },
})
const all: readonly Manifest[] = [network, media, chassis, instance]
const catalogue = catalogueOf(
  new Map<string, StoredRecord>(
    all.map((manifest) => [
      resourceKey(manifest.kind, manifest.name),
      { manifest, uid: `uid-${manifest.name}`, generation: 1, createdAtMs: 0, revision: 5 },
    ]),
  ),
  5,
)
const fresh = newLife({ name: 'c1', uid: 'uid-c1', bootMac: 'x', firmware: 'bios' }, 0)
const failure = {
  ...{ step: 'installing' as const, cause: 'no disk', code: 'PUR_LIFE_NODE_FAILED' as const },
  ...{ retriable: true, atMs: 1, consoleTail: '', eventLog: [] },
}
const deployment = { instance: 'i1', uid: 'uid-i1', generation: 1, touched: false }

interface Seen {
  readonly life?: Partial<Life>
  readonly content?: Partial<ContentStatus>
  readonly network?: NetworkStanding
  readonly released?: boolean
  readonly refusal?: PurlinError
}

function view(seen: Seen): DaemonView {
  const released = { instance: 'i1', uid: 'uid-i1', erase: 'quick' as const, atMs: 1 }
  return {
    lifeOf: () => (seen.life === undefined ? undefined : { ...fresh, ...seen.life }),
    networkOf: () => seen.network,
    contentOf: () => ({ state: 'ready', bytes: 1, sinceMs: 0, ...seen.content }),
    releases: seen.released ? new Map([['c1', released]]) : new Map(),
    refusalOf: () => seen.refusal,
  }
}

const target = ({ kind, name }: Manifest, more: Partial<TaskTarget> = {}): TaskTarget => ({
  ...{ kind, name, action: 'apply', revision: 5 },
  ...more,
})
const judge = (of: Manifest | TaskTarget, seen: Seen) =>
  standingOf(['action' in of ? of : target(of)], catalogue, view(seen))

test('an instance is done when its own system runs, and not when another’s does', (t) => {
  t.is(judge(instance, { life: { state: 'active', deployment } }).done, 1)
  const other = { ...deployment, uid: 'uid-i0' }
  t.is(judge(instance, { life: { state: 'active', deployment: other } }).done, 0)
  t.regex(judge(instance, { life: { state: 'writing', deployment } }).text, /c1 is writing/)
})

test('a life that failed ends its task with the step, the cause and the code', (t) => {
  const found = judge(instance, { life: { state: 'failed', failure, deployment } })
  t.like(found, { done: 0, error: { code: 'PUR_LIFE_NODE_FAILED' } })
  t.is(found.error?.message, 'chassis c1, installing: no disk')
})

test('an instance waits for its medium, and fails with it', (t) => {
  const life = { state: 'available' as const }
  const waits = judge(instance, { life, content: { state: 'fetching' } })
  t.deepEqual([waits.done, waits.error], [0, undefined])
  const cause = { code: 'PUR_MEDIA_CHECKSUM', message: 'another sum' }
  const failed = judge(instance, { life, content: { state: 'failed', cause } })
  t.is(failed.error?.message, 'another sum')
})

test('a medium that somebody has to upload keeps no task waiting; one that is fetched does', (t) => {
  t.is(judge(media, { content: { state: 'absent' } }).done, 1)
  t.is(judge(media, { content: { state: 'fetching' } }).done, 0)
})

test('a chassis is done when its BMC told who it is', (t) => {
  t.is(judge(chassis, { life: { state: 'verifying' } }).done, 0)
  t.is(judge(chassis, { life: { state: 'manageable' } }).done, 1)
  t.is(judge(chassis, { life: { chassisUid: 'former', state: 'manageable' } }).done, 0)
})

test('a network that cannot be served for good ends its task; one that mends itself does not', (t) => {
  const failed = (code: 'PUR_BOOT_INTERFACE' | 'PUR_BOOT_DHCP'): NetworkStanding => ({
    ...{ state: 'failed', hosts: [] },
    error: new PurlinError(code, { message: 'no' }),
  })
  t.is(judge(network, { network: failed('PUR_BOOT_INTERFACE') }).error?.code, 'PUR_BOOT_INTERFACE')
  t.is(judge(network, { network: failed('PUR_BOOT_DHCP') }).error, undefined)
  const serving = { state: 'serving' as const, spec: network.spec, hosts: [] }
  t.is(judge(network, { network: serving }).done, 1)
})

test('a verb is done when the chassis is at rest; power may be switched while it is failed', (t) => {
  const verb = (word: string) => target(chassis, { verb: word, revision: 0 })
  t.is(judge(verb('discover'), { life: { state: 'discovering' } }).done, 0)
  t.is(judge(verb('discover'), { life: { state: 'available' } }).done, 1)
  t.is(judge(verb('retry'), { life: { state: 'failed', failure } }).error?.code, failure.code)
  t.is(judge(verb('power off'), { life: { state: 'failed', failure } }).done, 1)
  const trouble = { command: 'power' as const, code: 'PUR_BMC_REFUSED', cause: 'no', atMs: 1 }
  const refused = judge(verb('power off'), { life: { state: 'available', trouble } })
  t.is(refused.error?.code, 'PUR_BMC_REFUSED')
})

test('a deleted instance is gone when its chassis was erased', (t) => {
  const gone = { ...target(instance), name: 'i1', action: 'delete' as const }
  const without = catalogueOf(new Map(), 6)
  const standing = (seen: Seen) => standingOf([gone], without, view(seen))
  t.is(standing({ released: true, life: { state: 'erasing' } }).done, 0)
  t.is(standing({ released: true, life: { state: 'failed', failure } }).error?.code, failure.code)
  t.is(standing({ life: { state: 'available' } }).done, 1)
})
