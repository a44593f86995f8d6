import { PurlinError } from '@purlin/base'
import { type ContentStatus, kinds, type Manifest } from '@purlin/schema'
import { catalogueOf, resourceKey, type StoredRecord } from '@purlin/service'
import { openSqliteStore } from '@purlin/store'
import test, { type ExecutionContext } from 'ava'
import type { Life, LifeRequest } from '../life/index.ts'
import { newLife } from '../life/life.ts'
import { makePass } from './pass.ts'
import type { ReleaseRecord } from './release-records.ts'

const MAC = '52:54:00:88:00:07'
const chassis = kinds.Chassis.manifest.parse({
  kind: 'Chassis',
  name: 'c1',
  spec: {
    bmc: { protocol: 'ipmi', address: '127.0.0.1', secret: 's' },
    ...{ bootMac: MAC, network: 'deploy0' },
  },
})
const instance = kinds.BareMetalInstance.manifest.parse({
  kind: 'BareMetalInstance',
  name: 'i1',
  spec: { chassis: 'c1', template: 't', source: { media: 'm' } },
})
const network = kinds.DeploymentNetwork.manifest.parse({
  kind: 'DeploymentNetwork',
  name: 'deploy0',
  spec: {
    interface: 'deploy0',
    subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
  },
})

function recordsOf(manifests: readonly Manifest[]): ReadonlyMap<string, StoredRecord> {
  return new Map(
    manifests.map((manifest) => [
      resourceKey(manifest.kind, manifest.name),
      { manifest, uid: `uid-${manifest.name}`, generation: 1, createdAtMs: 0, revision: 1 },
    ]),
  )
}

async function rig(t: ExecutionContext, manifests: readonly Manifest[], life?: Partial<Life>) {
  const store = await openSqliteStore({ file: ':memory:' })
  t.teardown(() => store.close())
  const asked: string[] = []
  const own = newLife({ name: 'c1', uid: 'uid-c1', bootMac: MAC, firmware: 'bios' }, 0)
  const state = { life: { ...own, transitions: 1, ...life } as Life, content: 'ready' }
  const refusing = { reason: '' }
  const wanted: unknown[] = []
  const pass = () =>
    makePass({
      store,
      catalogue: () => catalogueOf(recordsOf(manifests), 1),
      lives: {
        enrol: async ({ name }) => void asked.push(`enrol ${name}`),
        forget: async (name) => void asked.push(`forget ${name}`),
        request: async (name: string, request: LifeRequest) => {
          asked.push(`${request.ask} ${name}`)
          if (refusing.reason === '') return state.life
          throw new PurlinError('PUR_LIFE_REFUSED', { message: refusing.reason })
        },
        lifeOf: () => state.life,
        lives: () => [state.life],
      },
      content: { want: () => undefined },
      contentOf: () => ({ state: state.content, bytes: 0, sinceMs: 0 }) as ContentStatus,
      networks: (networks) => void wanted.push(...networks),
      enrolUntilMs: () => undefined,
      ownAddresses: async () => ['10.88.0.100'],
      onReleased: async (name) => void asked.push(`released ${name}`),
      onTrouble: (what) => void asked.push(what),
    })
  const release = async (record: ReleaseRecord): Promise<void> => {
    await store.transact({ writes: [{ put: '/release/c1', value: record }] })
  }
  return { store, asked, state, refusing, wanted, pass, release }
}

const deployment = { instance: 'i1', uid: 'uid-i1', generation: 1, touched: true }

test('a network is told the chassis that have an address on it', async (t) => {
  const { store, wanted, pass } = await rig(t, [network, chassis])
  const value = { network: 'deploy0', address: '10.88.0.100' }
  await store.transact({ writes: [{ put: '/address/c1', value }] })
  await pass()
  const hosts = [{ mac: MAC, address: '10.88.0.100', name: 'c1' }]
  t.like(wanted[0], ['deploy0', { hosts }])
})

/** A restored state brings chassis back, and not what was given out beside them. */
test('a chassis without an address gets one, and keeps it', async (t) => {
  const { store, pass } = await rig(t, [network, chassis])
  await pass()
  const given = { network: 'deploy0', address: '10.88.0.101' }
  t.deepEqual((await store.get('/address/c1'))?.value, given)
  const { revision } = await store.list('/address/')
  await pass()
  t.is((await store.list('/address/')).revision, revision)
})

test('an instance is begun once its medium is here, and not while its chassis is released', async (t) => {
  const { asked, state, pass, release, store } = await rig(t, [chassis, instance], {
    state: 'available',
  })
  state.content = 'fetching'
  await pass()
  t.false(asked.includes('deploy c1'))
  state.content = 'ready'
  state.life = { ...state.life, state: 'erasing' }
  await release({ instance: 'i0', uid: 'uid-i0', erase: 'quick', atMs: 1 })
  await pass()
  t.false(asked.includes('deploy c1'))
  await store.transact({ writes: [{ delete: '/release/c1' }] })
  await pass()
  t.true(asked.includes('deploy c1'))
})

test('what runs is asked for nothing; what failed is asked for again', async (t) => {
  const { asked, state, pass } = await rig(t, [chassis, instance], { state: 'active', deployment })
  await pass()
  t.deepEqual(asked, ['enrol c1'])
  state.life = { ...state.life, state: 'failed' }
  await pass()
  t.true(asked.includes('deploy c1'))
})

test('a refusal is kept for the instance’s status and is no trouble', async (t) => {
  const { asked, refusing, pass } = await rig(t, [chassis, instance], { state: 'manageable' })
  refusing.reason = 'another is on it'
  const { refusals } = await pass()
  t.is(refusals.get('i1')?.message, 'another is on it')
  t.deepEqual(asked, ['enrol c1', 'deploy c1'])
})

test('a release goes on until the chassis is free, and then alone its metrics are forgotten', async (t) => {
  const { asked, state, pass, release, store } = await rig(t, [chassis], {
    state: 'active',
    deployment,
  })
  await release({ instance: 'i1', uid: 'uid-i1', erase: 'full', atMs: 5 })
  t.is((await pass()).releases.size, 1)
  t.deepEqual(asked, ['enrol c1', 'release c1'])
  const { deployment: _gone, ...rest } = state.life
  state.life = { ...rest, state: 'erasing', eraseOwed: true }
  t.is((await pass()).releases.size, 1)
  state.life = { ...rest, state: 'available' }
  t.is((await pass()).releases.size, 0)
  t.is(asked.at(-1), 'released i1')
  t.is(await store.get('/release/c1'), undefined)
})

/** A release that fails was begun again by the very pass that its failure caused, for ever. */
test('a release that failed is left to a person', async (t) => {
  const failure = { step: 'erasing', atMs: 9, cause: 'x', retriable: true } as Life['failure']
  const { asked, pass, release } = await rig(t, [chassis], {
    ...{ state: 'failed', deployment },
    ...(failure && { failure }),
  })
  await release({ instance: 'i1', uid: 'uid-i1', erase: 'full', atMs: 5 })
  t.is((await pass()).releases.size, 1)
  t.deepEqual(asked, ['enrol c1'])
})

test('a life whose chassis is gone ends', async (t) => {
  const { asked, pass } = await rig(t, [])
  await pass()
  t.deepEqual(asked, ['forget c1'])
})
