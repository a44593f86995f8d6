import { type Clock, PurlinError } from '@purlin/base'
import { type Mirror, mirrorPrefix } from '@purlin/service'
import type { Store, StoreEntry } from '@purlin/store'
import { type HeldLease, readHeld, writeHeld } from './held-file.ts'
import {
  type Claimant,
  isOwn,
  judgeRunning,
  judgeTake,
  type LeaseJudgement,
  type MachineLease,
  released,
} from './lease.ts'

/** Where the store has the leases, each by its machine's name. */
export const LEASES = '/machine-lease/'

/** Several writers at once are rare: only one host wants a machine, and people fence. */
const WRITE_ATTEMPTS = 5

/** A lease as this host sees it. `lost`: this host ran the machine, and another took it since. */
export interface SeenLease {
  readonly standing: 'ours' | 'free' | 'elsewhere'
  readonly isLost: boolean
  /** The host that has it; of `elsewhere` alone. */
  readonly host?: string
  /** Its start may still come about; of `ours` alone. */
  readonly isStarting: boolean
}

/** A domain that a lease is about. */
export interface LeasedDomain {
  readonly machine: string
  readonly uuid: string
}

export interface LeaseGrounds {
  readonly store: Store
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly host: string
  /** The store is this host's own file. */
  readonly isAlone: boolean
  /** Identity of this boot of the host. */
  readonly bootId: string
  /** Where this host remembers what it ran. */
  readonly file: string
  /** Whether a resource of that name exists: the lease of one that does not is forgotten. */
  readonly exists: (machine: string) => boolean
}

/** The leases of machines: who has one may run the machine, nobody else. They are taken before a
 *  start by compare-and-swap, and have no end by themselves: a host that cannot be seen may still
 *  run what it has. */
export class MachineLeases {
  readonly #grounds: LeaseGrounds
  readonly #held: Map<string, HeldLease>
  /** What this agent wrote and may not have heard of yet, by the revision of that. */
  readonly #written = new Map<string, { lease: MachineLease | undefined; revision: number }>()
  #mirror: Mirror | undefined

  private constructor(grounds: LeaseGrounds, held: Map<string, HeldLease>) {
    this.#grounds = grounds
    this.#held = held
  }

  /** Reads what this host remembers. */
  static async open(grounds: LeaseGrounds): Promise<MachineLeases> {
    return new MachineLeases(grounds, await readHeld(grounds.file))
  }

  /** Follows the leases of the fleet until the signal is aborted; `onChange` is told of each
   *  machine whose lease has changed. Errors: PUR_STORE_* where the store breaks for good. */
  async follow(onChange: (machine: string) => void): Promise<void> {
    const { store, clock, signal } = this.#grounds
    const mirror = await mirrorPrefix({ store, prefix: LEASES, clock, signal })
    this.#mirror = mirror
    const known = new Map<string, number>()
    const look = (): void => {
      const { entries } = mirror.current()
      for (const machine of new Set([...known.keys(), ...[...entries.keys()].map(machineOf)])) {
        const revision = entries.get(`${LEASES}${machine}`)?.revision
        if (known.get(machine) === revision) continue
        if (revision === undefined) known.delete(machine)
        else known.set(machine, revision)
        onChange(machine)
      }
    }
    mirror.onChange(look)
    look()
    await mirror.ended
  }

  /** The leases of the fleet as this host sees them, by machine; undefined until they are known.
   *  `running`: domains of Purlin that run here. */
  see(running: readonly LeasedDomain[]): ReadonlyMap<string, SeenLease> | undefined {
    const mirrored = this.#mirror?.current()
    if (mirrored === undefined) return undefined
    const uuids = new Map(running.map(({ machine, uuid }) => [machine, uuid]))
    const names = [...mirrored.entries.keys()].map((key) => key.slice(LEASES.length))
    const seen = new Map<string, SeenLease>()
    for (const machine of new Set([...names, ...this.#written.keys(), ...uuids.keys()])) {
      const lease = this.#known(machine)
      if (lease !== undefined) seen.set(machine, this.#seen(machine, lease, uuids.get(machine)))
    }
    return seen
  }

  /** The leases as they were heard of last. */
  known(): readonly MachineLease[] {
    const entries = this.#mirror?.current().entries ?? new Map<string, StoreEntry>()
    return [...entries.values()].map(({ value }) => value as MachineLease)
  }

  /** Takes the lease of a machine that is about to be started. From then on the start may come
   *  about at any time, until `settled` says how it ended. Errors: PUR_VIRT_LEASED where another
   *  host has it, PUR_STORE_*. */
  async take({ machine, uuid }: LeasedDomain): Promise<void> {
    const epoch = await this.#write(machine, (lease) =>
      judgeTake(lease, this.#claimant(machine, uuid)),
    )
    await this.#remember(machine, { uuid, epoch, bootId: this.#grounds.bootId, isStarting: true })
  }

  /** Notes that a start came about, or that none can come about any more. */
  async settled(machine: string): Promise<void> {
    const held = this.#held.get(machine)
    if (held?.isStarting === true) await this.#remember(machine, { ...held, isStarting: false })
  }

  /** Takes the lease of a machine that runs here already, if nobody took it since it began.
   *  Errors: PUR_VIRT_LEASED, PUR_STORE_*. */
  async claim({ machine, uuid }: LeasedDomain): Promise<void> {
    const epoch = await this.#write(machine, (lease) => {
      const judged = judgeRunning(lease, this.#claimant(machine, uuid))
      if (judged.verdict !== 'lost') return judged
      return { verdict: 'elsewhere', host: judged.lease.holder?.host ?? 'another' }
    })
    const { bootId } = this.#grounds
    await this.#remember(machine, { uuid, epoch, bootId, isStarting: false })
  }

  /** Whether a machine that runs here was taken by another host since, as the store says now. */
  async isLost({ machine, uuid }: LeasedDomain): Promise<boolean> {
    const entry = await this.#grounds.store.get(`${LEASES}${machine}`)
    const lease = entry?.value as MachineLease | undefined
    return judgeRunning(lease, this.#claimant(machine, uuid)).verdict === 'lost'
  }

  /** Lets a lease go: the machine does not run here and cannot come up here any more. */
  async release(machine: string): Promise<void> {
    const { store, exists } = this.#grounds
    const key = `${LEASES}${machine}`
    for (let attempt = 1; ; attempt++) {
      const entry = await store.get(key)
      const lease = entry?.value as MachineLease | undefined
      if (lease?.holder === undefined || !isOwn(lease.holder, this.#grounds)) {
        this.#written.delete(machine)
        return
      }
      const next = exists(machine) ? released(lease) : undefined
      if (await this.#put(machine, entry, next, attempt)) return
    }
  }

  /** The newest that this agent knows of a lease. */
  #known(machine: string): MachineLease | undefined {
    const { entries, revision } = this.#mirror?.current() ?? { entries: new Map(), revision: 0 }
    const written = this.#written.get(machine)
    if (written !== undefined && written.revision > revision) return written.lease
    this.#written.delete(machine)
    return entries.get(`${LEASES}${machine}`)?.value as MachineLease | undefined
  }

  #seen(machine: string, lease: MachineLease, runningUuid: string | undefined): SeenLease {
    const isLost =
      runningUuid !== undefined &&
      judgeRunning(lease, this.#claimant(machine, runningUuid)).verdict === 'lost'
    const { holder } = lease
    if (holder === undefined) return { standing: 'free', isLost, isStarting: false }
    if (!isOwn(holder, this.#grounds)) {
      return { standing: 'elsewhere', isLost, host: holder.host, isStarting: false }
    }
    const held = this.#held.get(machine)
    // Without its own memory the host cannot know that no start is under way.
    const isStarting =
      held === undefined || (held.isStarting && held.bootId === this.#grounds.bootId)
    return { standing: 'ours', isLost, isStarting }
  }

  #claimant(machine: string, uuid: string): Claimant {
    const { host, bootId, isAlone, clock } = this.#grounds
    const held = this.#held.get(machine)
    const heldEpoch = held?.uuid === uuid ? held.epoch : 0
    return { host, bootId, isAlone, uuid, heldEpoch, nowMs: clock.nowMs() }
  }

  /** Reads a lease, judges it, and writes what follows; answers the epoch that holds then. */
  async #write(
    machine: string,
    judge: (lease: MachineLease | undefined) => LeaseJudgement,
  ): Promise<number> {
    const { store } = this.#grounds
    for (let attempt = 1; ; attempt++) {
      const entry = await store.get(`${LEASES}${machine}`)
      const judged = judge(entry?.value as MachineLease | undefined)
      if (judged.verdict === 'held') return judged.lease.epoch
      if (judged.verdict === 'elsewhere') throw leased(machine, judged.host)
      if (await this.#put(machine, entry, judged.next, attempt)) return judged.next.epoch
    }
  }

  /** Answers false where somebody else was first and it is worth another look. */
  async #put(
    machine: string,
    before: StoreEntry | undefined,
    next: MachineLease | undefined,
    attempt: number,
  ): Promise<boolean> {
    const key = `${LEASES}${machine}`
    try {
      const { revision } = await this.#grounds.store.transact({
        guards: [{ key, revision: before?.revision ?? 0 }],
        writes: [next === undefined ? { delete: key } : { put: key, value: next }],
      })
      this.#written.set(machine, { lease: next, revision })
      return true
    } catch (thrown) {
      const isConflict = thrown instanceof PurlinError && thrown.code === 'PUR_STORE_CONFLICT'
      if (isConflict && attempt < WRITE_ATTEMPTS) return false
      throw thrown
    }
  }

  async #remember(machine: string, held: HeldLease): Promise<void> {
    this.#held.set(machine, held)
    await writeHeld(this.#grounds.file, this.#held)
  }
}

function machineOf(key: string): string {
  return key.slice(LEASES.length)
}

function leased(machine: string, host: string): PurlinError {
  const message = `machine ${machine}: host ${host} has its lease, so it is not started here; it is once ${host} has stopped it, or is known to be off: purlin host fenced ${host}`
  return new PurlinError('PUR_VIRT_LEASED', { message, context: { machine, host } })
}
