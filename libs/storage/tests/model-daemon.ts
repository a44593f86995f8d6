import { documentsOf } from '../src/configuration/documents.ts'
import type { PoolStatus, VolumeStatus } from '../src/control/messages.ts'
import type { StorageObserved } from '../src/observed.ts'
import type { StorageStep } from '../src/plan/step.ts'

/** The rules of the block daemon without disks: for tests of the plan. */
export class ModelDaemon {
  configuration = ''
  readonly owned = new Set<string>()
  readonly limits = new Map<string, string>()
  readonly pools = new Map<string, Map<string, VolumeStatus>>()
  readonly policies = new Map<string, string>()

  observe(): StorageObserved {
    const pools = [...this.pools].map(
      ([name, volumes]): PoolStatus => ({
        name,
        state: { phase: 'running' },
        engine: {
          policy: this.policies.get(name) ?? '',
          disks: [],
          volumes: [...volumes.values()],
          ...{ provisionedBytes: 0, logUsedBytes: 0, logBytes: 0, shortStripes: 0 },
          ...{ repairedChunks: 0, memoryBytes: 0 },
        },
      }),
    )
    const { configuration } = this
    const owned = new Set(this.owned)
    const nothing = new Set<string>()
    const disks = { vhostUser: nothing, found: nothing, strangers: nothing }
    const limits = new Map(this.limits)
    return { daemon: { process: 1, pools }, configuration, owned, limits, ...disks }
  }

  /** Makes a volume that is nobody's resource. */
  foreign(pool: string, name: string, parent: string | null = null): void {
    this.#put(pool, { name, sizeBytes: 4096, snapshot: false, parent, timeSeconds: null })
  }

  /** A volume that was begun as a copy: how far it is, or cut off. */
  part(pool: string, name: string, copy?: { copiedBytes: number; totalBytes: number }): void {
    this.foreign(pool, `copying:${name}`)
    const part = { name, sizeBytes: 4096, snapshot: false, parent: null, timeSeconds: null }
    this.#put(pool, { ...part, copy })
    this.owned.add(name)
  }

  /** Carries a step out; throws where the daemon would refuse. */
  execute(step: StorageStep): void {
    switch (step.kind) {
      case 'reach':
        throw new Error('it answers')
      case 'adopt':
        for (const name of step.names) this.owned.add(name)
        return
      case 'return':
        throw new Error(`${step.disk} was never away`)
      case 'configure':
        this.#configure(step.text, step.restart)
        return
      case 'call':
        this.#call(step)
    }
  }

  #configure(text: string, restart: boolean): void {
    this.configuration = text
    if (!restart) return
    const wanted = documentsOf(text).filter(({ kind }) => kind === 'StoragePool')
    for (const name of [...this.pools.keys()]) {
      if (wanted.some((pool) => pool.name === name)) continue
      if (this.#volumes(name).size > 0) throw new Error(`${name} is let go with volumes`)
      this.pools.delete(name)
    }
    for (const { name, spec } of wanted) {
      if (this.pools.has(name)) continue
      this.pools.set(name, new Map())
      this.policies.set(name, policyOf(spec.redundancy))
    }
  }

  #call(step: StorageStep & { readonly kind: 'call' }): void {
    switch (step.call) {
      case 'volume-create': {
        const { pool, name, sizeBytes, limits } = step.words
        this.#put(pool, { name, sizeBytes, snapshot: false, parent: null, timeSeconds: null })
        this.limits.set(name, JSON.stringify(limits))
        this.owned.add(name)
        return
      }
      case 'volume-clone': {
        const { snapshot, name, linked, pool } = step.words
        const [from, { sizeBytes }] = this.#find(snapshot)
        if (linked && from !== pool) throw new Error('a linked clone in another pool')
        const parent = linked ? snapshot : null
        this.#put(pool, { name, sizeBytes, snapshot: false, parent, timeSeconds: null })
        this.owned.add(name)
        return
      }
      case 'snapshot-create': {
        const { volume, name } = step.words
        const [pool, { sizeBytes }] = this.#find(volume)
        this.#put(pool, { name, sizeBytes, snapshot: true, parent: volume, timeSeconds: 1 })
        this.owned.add(name)
        return
      }
      case 'volume-grow': {
        const [pool, found] = this.#find(step.words.name)
        if (found.sizeBytes > step.words.sizeBytes) throw new Error('it would shrink')
        this.#volumes(pool).set(found.name, { ...found, sizeBytes: step.words.sizeBytes })
        return
      }
      case 'volume-flatten': {
        const [pool, found] = this.#find(step.words.name)
        if (found.parent === null || found.snapshot) throw new Error('it is no linked clone')
        this.#volumes(pool).set(found.name, { ...found, parent: null })
        return
      }
      case 'volume-limit':
        this.#find(step.words.name)
        this.limits.set(step.words.name, JSON.stringify(step.words.limits))
        return
      case 'volume-delete':
      case 'snapshot-delete': {
        const [pool, { name }] = this.#find(step.words.name)
        const all = [...this.pools.values()].flatMap((volumes) => [...volumes.values()])
        if (all.some(({ parent }) => parent === name)) throw new Error(`${name} has dependents`)
        this.#volumes(pool).delete(name)
        this.owned.delete(name)
        this.limits.delete(name)
        return
      }
      case 'pool-policy':
        this.policies.set(step.words.pool, policyOf(step.words.redundancy))
        return
      case 'pool-recovery-speed':
        this.#volumes(step.words.pool)
    }
  }

  #put(pool: string, volume: VolumeStatus): void {
    const all = [...this.pools.values()]
    if (all.some((volumes) => volumes.has(volume.name))) throw new Error(`${volume.name} is taken`)
    this.#volumes(pool).set(volume.name, volume)
  }

  #find(name: string): readonly [string, VolumeStatus] {
    for (const [pool, volumes] of this.pools) {
      const found = volumes.get(name)
      if (found !== undefined) return [pool, found]
    }
    throw new Error(`no volume ${name}`)
  }

  #volumes(pool: string): Map<string, VolumeStatus> {
    const volumes = this.pools.get(pool)
    if (volumes === undefined) throw new Error(`no pool ${pool}`)
    return volumes
  }
}

function policyOf(redundancy: unknown): string {
  const { erasure, replicas } = redundancy as { erasure?: string; replicas?: number }
  return erasure ?? `replicas ${replicas}`
}
