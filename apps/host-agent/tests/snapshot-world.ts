import { type Clock, PurlinError, systemClock } from '@purlin/base'
import type { MachineSnapshotSpec, Task } from '@purlin/schema'
import {
  type Catalogue,
  type CatalogueFollower,
  followCatalogue,
  RESOURCE_HEAD,
  resourceKey,
} from '@purlin/service'
import { createTaskLog, openSqliteStore, type Store } from '@purlin/store'
import type { Stillness } from '@purlin/virt'
import { parseConfiguration } from '../src/config/config.ts'
import { storageDesired } from '../src/desired/storage.ts'
import { MachineSnapshotKeeper } from '../src/machine-snapshots/keeper.ts'
import {
  memoryFileOf,
  type SnapshotRecord,
  whileReverting,
} from '../src/machine-snapshots/record.ts'
import type { HostView } from '../src/status/host-view.ts'

/** What happens to one of the agent's effects: nothing, an error, or the death of the agent, before
 *  it or after it has taken place. */
export type Fate = 'fails' | 'failed after' | 'dies' | 'dies after'

const CONFIGURATION = parseConfiguration('[storage]', 'test')
const HOST = CONFIGURATION.host.name
const FOLDER = '/memory'
/** What is waited for in seconds comes in hundredths of them. */
const QUICK: Clock = {
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (durationMs, signal) => systemClock.sleep(durationMs / 100, signal),
}
const DISKS = ['vol-a', 'vol-b'] as const

/** A machine with two disks, a block daemon, libvirt and a store in memory, and agents that may die
 *  in any of their effects. Whenever the guest runs it writes a number to one disk and then to the
 *  other, and counts in its memory. */
export class SnapshotWorld {
  readonly store: Store
  state: 'running' | 'paused' | 'stopped' = 'running'
  frozen = false
  /** What the guest counts; it writes it to its disks. */
  count = 0
  readonly volumes = new Map<string, number>(DISKS.map((name) => [name, 0]))
  readonly parts = new Map<string, number>()
  readonly owned = new Set<string>()
  readonly files = new Map<string, number>()
  /** Every moment that has been: what was on the disks and in the memory. */
  readonly moments = new Set<string>()
  /** The moment at which the guest began to run, each time since it was stopped. */
  readonly begun: string[] = []
  #thawWord = false
  /** How many effects have been, and the fate of one of them. */
  effects = 0
  #fate: { readonly at: number; readonly fate: Fate } | undefined

  private constructor(store: Store) {
    this.store = store
  }

  static async make(): Promise<SnapshotWorld> {
    const world = new SnapshotWorld(await openSqliteStore({ file: ':memory:', clock: systemClock }))
    const record = (kind: string, name: string, spec: object) => ({
      put: `/resource/${kind}/${name}`,
      value: { manifest: { kind, name, spec }, uid: `uid-${name}`, generation: 1, createdAtMs: 0 },
    })
    const disks = DISKS.map((volume) => ({ name: volume.slice(-1), volume, attach: 'nbd' }))
    const machine = { cpus: 1, memoryMiB: 64, image: 'probe', nics: [], disks }
    await world.store.transact({
      writes: [
        record('StoragePool', 'fast', { engine: 'local', disks: [] }),
        ...DISKS.map((name) => record('Volume', name, { pool: 'fast', sizeGiB: 1 })),
        record('VirtualMachine', 'web-1', { ...machine, powerState: 'running' }),
        { put: RESOURCE_HEAD, value: {} },
      ],
    })
    return world
  }

  /** The effect of that number, counted from here on, has this fate. */
  fateOf(at: number, fate: Fate): void {
    this.effects = 0
    this.#fate = { at, fate }
  }

  /** The guest does something, if it can. */
  live(): void {
    if (this.state !== 'running') return
    this.count += 1
    if (!this.frozen) this.#write()
    this.moments.add(this.moment())
  }

  /** What is on the disks now, and in the memory. */
  moment(count: number = this.count): string {
    return [...this.volumes.values(), count].join(' ')
  }

  #write(): void {
    const [first, second] = DISKS
    // One disk is always ahead of the other: only one that stands still, or has written both.
    if ((this.volumes.get(first) ?? 0) > (this.volumes.get(second) ?? 0)) {
      this.volumes.set(second, this.volumes.get(first) ?? 0)
    } else this.volumes.set(first, this.count)
  }

  /** Begins an agent, with its lanes; answers how it is ended. */
  async agent(): Promise<TestAgent> {
    const life = new AbortController()
    const held = new Set<string>()
    const store = this.#mortal(life)
    const catalogue = await followCatalogue({ store, clock: QUICK, signal: life.signal })
    const tasks = createTaskLog(store, systemClock)
    const effect = <Value>(work: () => Value): Promise<Value> =>
      this.#effect(life, async () => work())
    const keeper = new MachineSnapshotKeeper({
      ...{ store, tasks, catalogue, clock: QUICK, host: HOST, signal: life.signal },
      memoryFolder: FOLDER,
      memory: {
        prepare: async () => undefined,
        sizeOf: async (file) => this.files.get(file) ?? 0,
        tidy: async () => {
          const { entries } = await this.store.list('/resource/MachineSnapshot/')
          const kept = entries.map(({ value }) => memoryFileOf(FOLDER, value as SnapshotRecord))
          for (const file of this.files.keys()) if (!kept.includes(file)) this.files.delete(file)
        },
      },
      guests: {
        ping: () => effect(() => undefined),
        freeze: () => effect(() => this.#freeze(true)),
        thaw: () => effect(() => this.#freeze(false)),
      },
      thawLater: () =>
        effect(() => {
          this.#thawWord = true
        }),
      own: (names) =>
        effect(() => {
          for (const name of names) this.owned.add(name)
        }),
      stillness: {
        begin: async () => {
          held.add('web-1')
          const before = this.state
          try {
            await effect(() => {
              if (this.state === 'running') this.state = 'paused'
            })
          } catch (thrown) {
            held.delete('web-1')
            throw thrown
          }
          return this.#stillness(life, before, () => held.delete('web-1'))
        },
      },
      daemon: {
        call: (call, words) => effect(() => this.#control(call, words as Words)) as never,
        status: () => effect(() => this.#status()) as never,
      },
      view: () => this.#view(catalogue.current()),
      onView: () => undefined,
      tell: () => undefined,
      onEnd: () => undefined,
      onTrouble: () => undefined,
    })
    const lanes = this.#runLanes(life.signal, catalogue, held)
    return {
      keeper,
      died: new Promise((resolve) => life.signal.addEventListener('abort', () => resolve())),
      end: async () => {
        life.abort()
        await lanes
      },
    }
  }

  /** Whether something of a snapshot is under way. */
  async isAtWork(): Promise<boolean> {
    const record = await this.record()
    return record !== undefined && record.manifest.spec.phase !== 'taken'
  }

  /** Asks for a snapshot as the API does. */
  async ask(memory: boolean, freeze: MachineSnapshotSpec['freeze'] = 'auto'): Promise<Task> {
    const { task, write } = createTaskLog(this.store, systemClock).prepare('snapshot', [
      { kind: 'MachineSnapshot', name: 's1' },
    ])
    const disks = DISKS.map((volume) => ({
      ...{ name: volume.slice(-1), volume, volumeUid: `uid-${volume}` },
      snapshot: `ms-${volume}-${task.id}`,
    }))
    const spec: MachineSnapshotSpec = {
      ...{ virtualMachine: 'web-1', machineUid: 'uid-web-1', host: HOST, phase: 'asked' },
      ...{ memory, freeze, task: task.id, untilMs: systemClock.nowMs() + 60_000, disks },
      shape: { cpus: 1, memoryMiB: 64, image: 'probe', nics: [] },
    }
    const value = {
      manifest: { kind: 'MachineSnapshot', name: 's1', spec },
      ...{ uid: `uid-${task.id}`, generation: 1, createdAtMs: 0 },
    }
    const put = resourceKey('MachineSnapshot', 's1')
    await this.store.transact({
      writes: [write, { put, value }, { put: RESOURCE_HEAD, value: {} }],
    })
    return task
  }

  /** Changes a resource as the API does, with a task of its own. */
  async change(
    kind: 'MachineSnapshot' | 'VirtualMachine',
    name: string,
    spec: object,
    verb: string,
  ) {
    const { task, write } = createTaskLog(this.store, systemClock).prepare(verb, [{ kind, name }])
    const put = resourceKey(kind, name)
    const { value } = (await this.store.get(put)) ?? {}
    const { manifest, ...rest } = value as SnapshotRecord
    const withTask = kind === 'MachineSnapshot' ? { task: task.id } : {}
    const next = { ...manifest, spec: { ...manifest.spec, ...spec, ...withTask } }
    await this.store.transact({
      writes: [
        ...(kind === 'MachineSnapshot' ? [write] : []),
        { put, value: { ...rest, manifest: next } },
        { put: RESOURCE_HEAD, value: {} },
      ],
    })
    return task
  }

  async record(): Promise<SnapshotRecord | undefined> {
    return (await this.store.get(resourceKey('MachineSnapshot', 's1')))?.value as never
  }

  async task(id: string): Promise<Task> {
    return await createTaskLog(this.store, systemClock).get(id)
  }

  #stillness(life: AbortController, before: Stillness['before'], release: () => void): Stillness {
    const effect = <Value>(work: () => Value): Promise<Value> =>
      this.#effect(life, async () => work())
    return {
      before,
      saveMemory: (file) => effect(() => void this.files.set(file, this.count)),
      lasted: () => effect(() => this.state === 'paused' || before === 'stopped'),
      end: async () => {
        await effect(() => {
          if (before === 'running' && this.state === 'paused') this.state = 'running'
        }).catch(() => undefined)
        release()
      },
    }
  }

  #freeze(frozen: boolean): number {
    this.frozen = frozen
    return 1
  }

  #control(call: string, { name, volume = '', snapshot = '' }: Words): void {
    if (call === 'snapshot-create') this.parts.set(name, this.volumes.get(volume) ?? 0)
    else if (this.state !== 'stopped') {
      throw new PurlinError('PUR_BLOCK_IN_USE', { message: `${name} has a client` })
    } else this.volumes.set(name, this.parts.get(snapshot) ?? -1)
  }

  #status() {
    const names = [...this.volumes.keys(), ...this.parts.keys()]
    const volumes = names.map((name) => ({ name, sizeBytes: 4096 }))
    return { process: 1, program: '', pools: [{ name: 'fast', engine: { volumes } }] }
  }

  #view({ revision }: Catalogue): HostView {
    const lane = { passedRevision: revision, convergedRevision: revision, waiting: [] }
    const volumes = new Map(this.#status().pools[0]?.engine.volumes.map((one) => [one.name, one]))
    return {
      facts: new Set(),
      lanes: { netfilter: lane, vswitch: lane, virt: lane, storage: lane },
      machines: new Map([['web-1', { state: this.state, pendingRestart: false }]]),
      storage: { pools: new Map(), volumes } as never,
    }
  }

  /** What the lanes of an agent do beside its keeper, one look after the other. */
  async #runLanes(
    signal: AbortSignal,
    catalogue: CatalogueFollower,
    held: ReadonlySet<string>,
  ): Promise<void> {
    while (!signal.aborted) {
      this.live()
      const current = catalogue.current()
      const busy = current
        .list('MachineSnapshot')
        .some(({ manifest }) => manifest.spec.phase === 'taking')
      // The word that is due when all else is over.
      if (this.#thawWord && !busy) this.#freeze(false)
      const wanted = storageDesired(current, CONFIGURATION.storage).snapshots
      for (const name of this.parts.keys()) {
        if (!wanted.some((one) => one.name === name) && this.owned.has(name))
          this.parts.delete(name)
      }
      const machine = current.get('VirtualMachine', 'web-1')
      if (machine !== undefined && !held.has('web-1')) {
        const { memoryFile, powerState = machine.manifest.spec.powerState } = whileReverting(
          ...([current, machine, FOLDER] as const),
        )
        if (memoryFile !== undefined && this.state === 'stopped') {
          this.count = this.files.get(memoryFile) ?? -1
          this.state = 'paused'
        } else if (powerState === 'running' && this.state !== 'running') {
          if (this.state === 'stopped') this.count = 0
          this.state = 'running'
          this.begun.push(this.moment())
        } else if (powerState === 'stopped') this.state = 'stopped'
      }
      await systemClock.sleep(1)
    }
  }

  /** The store as an agent has it, whose writes are effects. */
  #mortal(life: AbortController): Store {
    const { store } = this
    return {
      ...store,
      list: (prefix) => store.list(prefix),
      get: (key) => store.get(key),
      watch: (prefix, options) => store.watch(prefix, options),
      trouble: () => undefined,
      transact: (transaction) =>
        this.#effect(life, () => store.transact(transaction), 'PUR_STORE_UNREACHABLE'),
    } as Store
  }

  async #effect<Value>(
    life: AbortController,
    work: () => Promise<Value>,
    code: 'PUR_STORE_UNREACHABLE' | 'PUR_BLOCK_UNREACHABLE' = 'PUR_BLOCK_UNREACHABLE',
  ): Promise<Value> {
    const forever = new Promise<never>(() => undefined)
    // A process that is no more does nothing.
    if (life.signal.aborted) return await forever
    this.effects += 1
    this.live()
    const fate = this.effects === this.#fate?.at ? this.#fate.fate : undefined
    if (fate === undefined) return await work()
    this.#fate = undefined
    if (fate === 'fails') throw new PurlinError(code, { message: 'it is away' })
    if (fate === 'failed after' || fate === 'dies after') await work()
    if (fate === 'failed after') {
      throw new PurlinError(code, { message: 'its answer was lost' })
    }
    life.abort()
    return await forever
  }
}

interface Words {
  readonly name: string
  readonly volume?: string
  readonly snapshot?: string
}

export interface TestAgent {
  readonly keeper: MachineSnapshotKeeper
  /** Resolves when it has died of a fate. */
  readonly died: Promise<void>
  end(): Promise<void>
}
