import { type Clock, PurlinError } from '@purlin/base'
import type { HostTree } from '@purlin/hardware'
import type {
  HostCapacity,
  HostHardware,
  HostPool,
  HostUse,
  MachineUse,
  PoolAnswer,
  PoolHistory,
} from '@purlin/schema'
import type { Catalogue, FrameHistory } from '@purlin/service'
import type { LibvirtPort } from '@purlin/virt'
import type { HostRooms } from '../admit/refuse-beyond.ts'
import type { Presence } from '../fleet/presence.ts'
import type { HostView } from '../status/host-view.ts'
import { sumOfFigures } from './capacity.ts'
import { type DayRange, frameOf, samplesOf } from './day.ts'
import { hostPools, hostRooms, type KnownPool } from './host-pools.ts'
import { countsOf, Inventory, sumOfCounts } from './inventory.ts'
import { domainUses } from './machine-use.ts'
import { hostUseBetween, type Measured, Meter } from './measure.ts'
import { isWorthTelling, type ToldPool } from './telling.ts'

/** So often the day gets a sample, and the fleet is told. */
const SAMPLE_EVERY_MS = 15_000
/** The first rates are there soon after the agent begins. */
const FIRST_SAMPLE_MS = 1_500
/** Devices come and go rarely; who asks for the inventory has it read anew. */
const INVENTORY_EVERY_ROUNDS = 20

export interface ResourcePoolOptions {
  readonly clock: Clock
  readonly host: string
  readonly capacity: HostCapacity
  readonly tree: HostTree
  readonly architecture: string
  readonly libvirt: Pick<LibvirtPort, 'statistics' | 'listDomains'>
  readonly history: FrameHistory
  readonly catalogue: () => Catalogue
  /** All hosts as one. */
  readonly view: () => HostView
  /** Absent on a host that is alone. */
  readonly presence: Presence | undefined
  readonly storageFolder?: string | undefined
  readonly signal: AbortSignal
  readonly onTrouble: (thrown: unknown) => void
}

/** What hosts have, promise and use: this one by its own files and libvirt, others as they tell. */
export class ResourcePool {
  readonly #options: ResourcePoolOptions
  readonly #inventory: Inventory
  readonly #meter: Meter
  /** The two newest measures that lie a moment apart: rates are between them. */
  #measures: { readonly before: Measured | undefined; readonly now: Measured } | undefined
  #told: ToldPool | undefined

  private constructor(options: ResourcePoolOptions) {
    this.#options = options
    const { catalogue, presence, host } = options
    this.#inventory = new Inventory({
      ...options,
      catalogue,
      ...(presence && { fleetHost: host }),
    })
    this.#meter = new Meter({ ...options, names: () => this.#inventory.names() })
  }

  /** Begins to measure, until the signal. */
  static begin(options: ResourcePoolOptions): ResourcePool {
    const pool = new ResourcePool(options)
    pool.#run().catch((thrown) => {
      if (!options.signal.aborted) options.onTrouble(thrown)
    })
    return pool
  }

  /** What this host has, and may promise. */
  get capacity(): HostCapacity {
    return this.#options.capacity
  }

  /** What admission knows of hosts. */
  rooms(): HostRooms {
    return hostRooms(this.#known(), this.#options.view().foreign ?? [])
  }

  /** The pools of all hosts that are known, there or away, in order of their names. */
  hosts(): readonly HostPool[] {
    const { catalogue, view, host } = this.#options
    const manifests = catalogue()
      .list('VirtualMachine')
      .map(({ manifest }) => manifest)
    return hostPools(this.#known(), manifests, view().foreign ?? [], host)
  }

  /** Everything, measured within the last second. */
  async show(): Promise<PoolAnswer> {
    const { unmeasured } = await this.#measure()
    const hosts = this.hosts()
    const count = (figure: 'machines' | 'activeMachines'): number =>
      hosts.reduce((sum, one) => sum + one[figure], 0)
    return {
      fleet: {
        hosts: hosts.length,
        presentHosts: hosts.filter(({ present }) => present).length,
        machines: count('machines'),
        activeMachines: count('activeMachines'),
        cpus: sumOfFigures(hosts.map(({ cpus }) => cpus)),
        memoryMiB: sumOfFigures(hosts.map(({ memoryMiB }) => memoryMiB)),
        devices: sumOfCounts(hosts.flatMap(({ devices }) => devices ?? [])),
      },
      hosts: [...hosts],
      machines: [...this.#machines()],
      ...(unmeasured !== undefined && { unmeasured }),
    }
  }

  /** What is measured now, for whoever exports it. */
  async measured(): Promise<Measured> {
    return await this.#measure()
  }

  /** What a host is made of: this one read anew, another as it told. Errors: PUR_RESOURCE_MISSING,
   *  PUR_AGENT_UNREACHABLE for a host that is away. */
  async hardware(name: string): Promise<HostHardware> {
    const { host, presence, signal } = this.#options
    if (name === host) return await this.#inventory.read(signal)
    if (presence === undefined || !presence.names().includes(name)) {
      throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no Host named ${name}` })
    }
    const told = presence.heard('hardware').get(name) as HostHardware | undefined
    if (told !== undefined) return told
    const message = `what host ${name} is made of is not known: its agent is away or has only begun`
    throw new PurlinError('PUR_AGENT_UNREACHABLE', { message })
  }

  /** The day of this host or of a machine on it. Errors: PUR_RESOURCE_MISSING for another host,
   *  whose agent has it, PUR_INVALID. */
  async day(subject: string, name: string, range: DayRange): Promise<PoolHistory> {
    const { host, history, clock } = this.#options
    if (subject !== 'host' && subject !== 'machine') {
      const message = `"${subject}" has no history; there are: host, machine`
      throw new PurlinError('PUR_RESOURCE_MISSING', { message })
    }
    if (subject === 'host' && name !== host) {
      const message = `the history of host ${name} is with its own agent; this is ${host}`
      throw new PurlinError('PUR_RESOURCE_MISSING', { message })
    }
    const prefix = subject === 'host' ? 'host' : `machine/${name}`
    return { subject, name, ...(await samplesOf(history, prefix, range, clock.nowMs())) }
  }

  async #run(): Promise<void> {
    const { clock, signal, history, onTrouble, presence } = this.#options
    let former: Measured | undefined
    for (let round = 0; !signal.aborted; round++) {
      if (round % INVENTORY_EVERY_ROUNDS === 0) {
        const hardware = await this.#inventory.read(signal)
        // The time of reading alone is no news.
        presence?.tell('hardware', { ...hardware, readAtMs: 0 })
      }
      const now = await this.#measure()
      if (former !== undefined) {
        const { keys, values } = frameOf(hostUseBetween(former, now), domainUses(former, now))
        await history.add(Math.round(now.atMs), keys, values).catch(onTrouble)
      }
      former = now
      this.#tell()
      const pauseMs = round === 0 ? FIRST_SAMPLE_MS : SAMPLE_EVERY_MS
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
  }

  async #measure(): Promise<Measured> {
    const now = await this.#meter.measure()
    if (this.#measures?.now !== now) this.#measures = { before: this.#measures?.now, now }
    return now
  }

  #use(): HostUse | undefined {
    const { before, now } = this.#measures ?? {}
    return now && hostUseBetween(before, now)
  }

  #machines(): readonly MachineUse[] {
    const { before, now } = this.#measures ?? {}
    if (now === undefined) return []
    const { host, catalogue, view } = this.#options
    const strangers = new Map(view().foreign?.map(({ name, cpus }) => [name, cpus]))
    const own = new Map(
      catalogue()
        .list('VirtualMachine')
        .filter(({ manifest }) => (manifest.spec.host ?? host) === host)
        .map(({ manifest }) => [manifest.name, manifest.spec]),
    )
    const active = domainUses(before, now)
    const seen = new Set(active.map(({ name }) => name))
    const off = [...own].filter(([name]) => !seen.has(name)).map(([name, spec]) => ({ name, spec }))
    return [
      ...active.map((use) => ({
        ...use,
        ...{ host, active: true, foreign: !own.has(use.name) },
        // A driver without statistics of processors leaves it to the spec.
        cpus: use.cpus || (own.get(use.name)?.cpus ?? strangers.get(use.name) ?? 0),
      })),
      ...off.map(({ name, spec: { cpus } }) => ({ ...IDLE, name, host, cpus })),
    ].toSorted((one, other) => (one.name < other.name ? -1 : 1))
  }

  #known(): readonly KnownPool[] {
    const { host, capacity, presence } = this.#options
    const { last } = this.#inventory
    const own = {
      ...{ host, present: true, capacity },
      ...(last && { devices: countsOf(last) }),
      use: this.#use(),
    }
    const told = presence?.heard('pool') as ReadonlyMap<string, ToldPool> | undefined
    const others = (presence?.list() ?? []).filter(({ name }) => name !== host)
    return [
      own,
      ...others.map(({ name, spec }) => ({
        ...{ host: name, present: presence?.isPresent(name) === true, capacity: spec.capacity },
        ...told?.get(name),
      })),
    ].toSorted((one, other) => (one.host < other.host ? -1 : 1))
  }

  #tell(): void {
    const { presence, capacity } = this.#options
    const { last } = this.#inventory
    const use = this.#use()
    if (presence === undefined || last === undefined || use === undefined) return
    const told = { devices: countsOf(last), use }
    if (!isWorthTelling(this.#told, told, capacity)) return
    this.#told = told
    presence.tell('pool', told)
  }
}

/** What a machine uses that is off. */
const IDLE = {
  foreign: false,
  active: false,
  cpusUsed: 0,
  memoryMiB: 0,
  memoryUsedMiB: 0,
  diskReadBytesPerSecond: 0,
  diskWriteBytesPerSecond: 0,
  diskReadsPerSecond: 0,
  diskWritesPerSecond: 0,
  netReceivedBitsPerSecond: 0,
  netSentBitsPerSecond: 0,
} as const
