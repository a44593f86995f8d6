import { systemClock } from '@purlin/base'
import { machineSnapshotSpec, type Task } from '@purlin/schema'
import {
  type CatalogueFollower,
  catalogueOf,
  type Once,
  resourceKey,
  type StoredRecord,
} from '@purlin/service'
import { createTaskLog, openSqliteStore, type Store } from '@purlin/store'
import test from 'ava'
import type { FleetState } from '../status/fleet-state.ts'
import { machineSnapshotHandlers as handlersOf, type machineSnapshotHandlers } from './handlers.ts'

type Handlers = ReturnType<typeof machineSnapshotHandlers>

const part = { name: 'root', volume: 'vol-a', volumeUid: 'uid-vol-a', snapshot: 'ms-1' }
const taken = {
  ...{ virtualMachine: 'web-1', machineUid: 'uid-web-1', host: 'a', phase: 'taken' },
  ...{ memory: false, freeze: 'auto', takenAtMs: 1, disks: [part] },
  shape: { cpus: 1, memoryMiB: 64, image: 'probe', nics: [] },
}

/** Asks for something of `web-1` that is wanted and seen so; what was written, or the refusal. */
async function ask(
  name: keyof Handlers,
  body: object,
  { seen = 'running', machine = {}, snapshot = {} as object | null, more = [] as object[] } = {},
): Promise<unknown> {
  const store: Store = await openSqliteStore({ file: ':memory:', clock: systemClock })
  const spec = {
    ...{ cpus: 1, memoryMiB: 64, image: 'probe', powerState: seen, nics: [] },
    ...{ disks: [{ name: 'root', volume: 'vol-a', attach: 'nbd' }], ...machine },
  }
  const records = [
    { kind: 'VirtualMachine', name: 'web-1', spec },
    { kind: 'Volume', name: 'vol-a', spec: { pool: 'fast', sizeGiB: 1 } },
    ...(snapshot ? [{ kind: 'MachineSnapshot', name: 's1', spec: { ...taken, ...snapshot } }] : []),
    ...more,
  ].map((manifest) => {
    const { kind, name } = manifest as { kind: 'Volume'; name: string }
    const record = { manifest, uid: `uid-${name}`, generation: 1, revision: 1, createdAtMs: 0 }
    return [resourceKey(kind, name), record as unknown as StoredRecord] as const
  })
  const current = catalogueOf(new Map(records), 0, 0)
  const reached = async () => undefined
  const handlers = handlersOf(
    {
      ...{ store, tasks: createTaskLog(store, systemClock), clock: systemClock, host: 'a' },
      catalogue: { current: () => current, reached } as unknown as CatalogueFollower,
      fleet: {
        viewOf: () => ({ machines: new Map([['web-1', { state: seen }]]) }),
      } as unknown as FleetState,
      presence: undefined,
    },
    (async (_call: unknown, work: () => Promise<Task>) => await work()) as unknown as Once,
  )
  const params = { name: name === 'createMachineSnapshot' ? 'web-1' : 's1' }
  try {
    const task = await handlers[name]({ params, body } as never)
    const { entries } = await store.list('/resource/MachineSnapshot/')
    const written = (entries[0]?.value as StoredRecord<'MachineSnapshot'> | undefined)?.manifest
      .spec
    return { verb: (task as Task).verb, ends: written?.task === (task as Task).id, ...written }
  } catch (thrown) {
    const { code, message } = thrown as { code: string; message: string }
    return `${code}: ${message}`
  } finally {
    await store.close()
  }
}

const wish = { name: 's2', memory: false, freeze: 'auto' }

test('what is asked for is written with its task: all disks as they are named now, and what memory belongs to', async (t) => {
  const asked = (await ask('createMachineSnapshot', wish)) as { disks: { snapshot: string }[] }
  t.like(asked, { verb: 'snapshot', ends: true, phase: 'asked', host: 'a', shape: taken.shape })
  t.like(asked.disks[0], { name: 'root', volume: 'vol-a', volumeUid: 'uid-vol-a' })
  t.regex(asked.disks[0]?.snapshot ?? '', /^ms-[0-9a-f]{16}$/)
  const { verb: _verb, ends: _ends, ...spec } = asked as unknown as Record<string, unknown>
  t.true(machineSnapshotSpec.safeParse(spec).success)
})

test('a snapshot that cannot be is refused in words that say why', async (t) => {
  const create = (body: object, world: object = {}) =>
    ask('createMachineSnapshot', { ...wish, ...body }, world)
  t.regex(String(await create({ name: 's1' })), /^PUR_SNAPSHOT_STATE: there is a snapshot s1/)
  t.regex(
    String(await create({}, { snapshot: { phase: 'reverting' } })),
    /s1 of machine web-1 is being gone back to/,
  )
  t.regex(String(await create({ memory: true }, { seen: 'stopped' })), /is off.*no memory to keep/)
  t.regex(String(await create({}, { seen: 'suspended' })), /^PUR_VIRT_POWER: .*it is suspended/)
  t.regex(String(await create({ memory: true, freeze: 'required' })), /nothing is frozen/)
  const shared = [{ name: 'root', volume: 'vol-a', attach: 'vhost-user' }]
  t.regex(String(await create({ memory: true }, { machine: { disks: shared } })), /vhost-user/)
  t.regex(String(await create({}, { machine: { disks: [] } })), /has no disks/)
})

test('a machine is made what it was while it is off, and is the one that was kept', async (t) => {
  const revert = (world: object, withoutMemory = false) =>
    ask('revertMachineSnapshot', { withoutMemory }, world)
  t.like(await revert({ seen: 'stopped' }), { verb: 'revert', ends: true, phase: 'reverting' })
  t.regex(String(await revert({})), /^PUR_VIRT_POWER: .*purlin vm stop web-1/)
  const stopped = { seen: 'stopped' }
  t.regex(
    String(await revert({ ...stopped, snapshot: { machineUid: 'other' } })),
    /^PUR_SNAPSHOT_DIFFERS: .*another one of that name/,
  )
  t.regex(String(await revert({ ...stopped, machine: { disks: [] } })), /no disk root any more/)
  t.regex(String(await revert({ ...stopped, machine: { host: 'b' } })), /is on b.* is on a/)
  const grown = { ...stopped, machine: { cpus: 2 }, snapshot: { memoryBytes: 1 } }
  t.regex(String(await revert(grown)), /its cpus is 2 and was 1; .*--without-memory/)
  t.like(await revert(grown, true), { phase: 'reverting', withoutMemory: true })
  t.like(await revert({ ...stopped, snapshot: { phase: 'restoring' } }, true), {
    ...{ phase: 'restoring', withoutMemory: true, ends: true },
  })
  const other = { kind: 'MachineSnapshot', name: 's3', spec: { ...taken, phase: 'taking' } }
  t.regex(String(await revert({ ...stopped, more: [other] })), /s3 .* is being taken/)
})

test('a snapshot goes by a phase of its own, and not while it is used', async (t) => {
  t.like(await ask('deleteMachineSnapshot', {}), {
    ...{ verb: 'delete-snapshot', phase: 'removing', ends: true },
  })
  t.regex(
    String(await ask('deleteMachineSnapshot', {}, { snapshot: { phase: 'taking' } })),
    /^PUR_SNAPSHOT_STATE: .*being taken/,
  )
  t.regex(
    String(await ask('deleteMachineSnapshot', {}, { snapshot: null })),
    /^PUR_RESOURCE_MISSING/,
  )
})
