import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, PurlinError, systemClock, uuidOf } from '@purlin/base'
import { openSqliteStore, type Store } from '@purlin/store'
import {
  createVirtDriver,
  type LibvirtPort,
  type MachineDesired,
  type VirtDesired,
} from '@purlin/virt'
import { fenceHost } from '../src/lease/fence.ts'
import { type LeasedVirtDriver, leasedDriver } from '../src/lease/leased-driver.ts'
import { MachineLeases } from '../src/lease/machine-leases.ts'

/** What becomes of a call of an agent: it fails before or after it has taken effect, the agent ends
 *  before or after it, or, of a start, it takes effect long after it was given up. */
export type Fate = 'ok' | 'fail-before' | 'fail-after' | 'crash-before' | 'crash-after' | 'late'

const MACHINE = 'web-1'
const UUID = uuidOf('machine u1')
const PASSES_MAX = 4
/** Virtual: nobody in these tests waits for time. */
const clock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(1, signal) }

/** The end of an agent in the middle of a call. */
class Crash extends Error {}

/** Waits for its turn before each call that is seen outside of an agent. */
export type Turn = (call: string) => Promise<void>

/** Where the machine is wanted, and how. */
interface Wish {
  readonly host: string
  readonly powerState: 'running' | 'stopped'
}

/** Some hosts with an agent and a libvirt each, one store, and one machine. */
export class LeaseWorld {
  readonly hosts: readonly LeaseHost[]
  readonly store: Store
  /** Where the machine should be, and whether it should run. */
  wanted: Wish
  /** Each time that the machine ran twice, and where. */
  readonly twice: string[] = []
  /** The events that agents told. */
  readonly told: string[] = []
  turn: Turn = async () => {}
  readonly #folder: string

  private constructor(store: Store, names: readonly string[], folder: string) {
    this.store = store
    this.#folder = folder
    this.wanted = { host: names[0] ?? '', powerState: 'running' }
    this.hosts = names.map((name) => new LeaseHost(this, name, join(folder, `${name}.json`)))
  }

  static async make(names: readonly string[]): Promise<LeaseWorld> {
    const store = await openSqliteStore({ file: ':memory:', clock })
    const world = new LeaseWorld(store, names, await mkdtemp(join(tmpdir(), 'lease-')))
    for (const host of world.hosts) await host.powerOn()
    return world
  }

  host(name: string): LeaseHost {
    const found = this.hosts.find((host) => host.name === name)
    if (found === undefined) throw new RangeError(`no host ${name}`)
    return found
  }

  /** Says that a host is off, whether or not it is. */
  async fence(name: string): Promise<void> {
    const { store } = this
    await fenceHost({ store, clock, aliveKey: aliveKey(name) }, name)
  }

  running(): string[] {
    return this.hosts.filter(({ domain }) => domain?.active).map(({ name }) => name)
  }

  /** Notes where the machine runs. */
  look(): void {
    const running = this.running()
    if (running.length > 1) this.twice.push(running.join(' and '))
  }

  /** Lets everything come back, and all agents work until nothing is left to do. */
  async settle(): Promise<void> {
    this.turn = async () => {}
    for (const host of this.hosts) {
      host.fates = []
      host.isCutOff = false
      if (!host.isOn) await host.powerOn()
      host.startLate()
    }
    for (let round = 0; round < 4; round++) {
      for (const host of this.hosts) {
        await host.hearAll()
        await host.pass()
      }
    }
  }

  async end(): Promise<void> {
    for (const host of this.hosts) host.killAgent()
    await this.store.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** A host with its libvirt, which outlives its agent. */
export class LeaseHost {
  readonly name: string
  readonly #world: LeaseWorld
  readonly #file: string
  domain: { xml: string; active: boolean } | undefined
  isOn = false
  /** Its agent does not reach the store. */
  isCutOff = false
  /** What becomes of the next calls; `ok` where none is left. */
  fates: Fate[] = []
  #boots = 0
  #isLate = false
  #hears = false
  #hearing = Promise.withResolvers<void>()
  /** What its agent has heard last of where the machine is wanted. */
  #wish: Wish
  #stop = new AbortController()
  #driver: LeasedVirtDriver | undefined
  #leases: MachineLeases | undefined

  constructor(world: LeaseWorld, name: string, file: string) {
    this.#world = world
    this.name = name
    this.#file = file
    this.#wish = world.wanted
  }

  async powerOn(): Promise<void> {
    this.isOn = true
    this.#boots++
    await this.sayAlive()
  }

  /** All that runs here ends with it. */
  async powerOff(): Promise<void> {
    this.isOn = false
    this.killAgent()
    this.#isLate = false
    if (this.domain !== undefined) this.domain = { ...this.domain, active: false }
    await this.goSilent()
  }

  async sayAlive(): Promise<void> {
    await this.#world.store.transact({ writes: [{ put: aliveKey(this.name), value: {} }] })
  }

  /** The lease of its presence ends. */
  async goSilent(): Promise<void> {
    await this.#world.store.transact({ writes: [{ delete: aliveKey(this.name) }] })
  }

  killAgent(): void {
    this.#stop.abort()
    this.#driver = undefined
    this.#leases = undefined
  }

  /** A start that was given up takes effect now, if its domain is still there. */
  startLate(): void {
    if (this.#isLate && this.domain !== undefined) {
      this.domain = { ...this.domain, active: true }
      this.#world.look()
    }
    this.#isLate = false
  }

  guestEnds(): void {
    if (this.domain !== undefined) this.domain = { ...this.domain, active: false }
  }

  /** Its agent hears where the machine is wanted. */
  hearWish(): void {
    if (!this.isCutOff) this.#wish = this.#world.wanted
  }

  /** Its agent hears how all leases stand, unless it is cut off. */
  async hearLeases(): Promise<void> {
    if (this.isCutOff || !this.isOn) return
    await this.#agent()
    const { entries } = await this.#world.store.list('/machine-lease/')
    const now = JSON.stringify(entries.map(({ value }) => value))
    this.#hears = true
    this.#hearing.resolve()
    while (JSON.stringify(this.#leases?.known()) !== now) await clock.sleep(1)
    this.#hears = false
    this.#hearing = Promise.withResolvers()
  }

  async hearAll(): Promise<void> {
    this.hearWish()
    await this.hearLeases()
  }

  /** Passes of the virt lane: it looks, plans, and does step by step what may be done by what it
   *  saw. */
  async pass(): Promise<void> {
    if (!this.isOn) return
    const { signal } = new AbortController()
    try {
      const driver = await this.#agent()
      for (let count = 0; count < PASSES_MAX; count++) {
        const observed = await driver.observe(signal)
        const facts = driver.facts(observed)
        for (const step of driver.plan(this.#desired(), observed)) {
          const waits = step.requires.some((one) => !facts.has(one))
          if (waits || step.forbids.some((one) => facts.has(one))) continue
          await driver.execute(step, signal)
        }
      }
    } catch (thrown) {
      // A step that failed ends the pass, since all are about one machine.
      if (thrown instanceof Crash) this.killAgent()
      else if (!(thrown instanceof PurlinError)) throw thrown
    }
  }

  #desired(): VirtDesired {
    const { host, powerState } = this.#wish
    if (host !== this.name) return { machines: [] }
    const machine: MachineDesired = {
      ...{ name: MACHINE, uuid: UUID, cpus: 1, memoryMiB: 128, accelerator: 'tcg' },
      boot: { kernel: '/k', initrd: '/i', commandLine: '' },
      ...{ nics: [], serialLogFile: '/l', serialSocket: '/s', display: false },
      ...{ graceMs: 0, generation: 1, powerState },
    }
    return { machines: [machine] }
  }

  async #agent(): Promise<LeasedVirtDriver> {
    if (this.#driver !== undefined) return this.#driver
    this.#stop = new AbortController()
    const { signal } = this.#stop
    const leases = await MachineLeases.open({
      ...{ store: this.#store(), clock, signal, host: this.name, isAlone: false },
      ...{ bootId: `${this.name}-${this.#boots}`, file: this.#file, exists: () => true },
    })
    this.#leases = leases
    leases.follow(() => {}).catch((thrown) => signal.aborted || Promise.reject(thrown))
    const driver = createVirtDriver({ libvirt: this.#libvirt(), clock })
    const tell = ({ type }: { type: string }): void => void this.#world.told.push(type)
    this.#driver = leasedDriver({ driver, leases, tell })
    return this.#driver
  }

  /** A call that is seen outside: it waits for its turn and meets its fate. */
  async #call<Answer>(
    call: string,
    act: () => Promise<Answer>,
    failure: PurlinError,
  ): Promise<Answer> {
    await this.#world.turn(`${this.name} ${call}`)
    const stopped = this.#stop.signal
    const fate = this.fates.shift() ?? 'ok'
    if (stopped.aborted || fate === 'crash-before') throw new Crash(call)
    if (fate === 'fail-before') throw failure
    if (fate === 'late' && call === 'start') {
      this.#isLate = true
      throw failure
    }
    const answer = await act()
    this.#world.look()
    if (fate === 'crash-after') throw new Crash(call)
    if (fate === 'fail-after') throw failure
    return answer
  }

  #store(): Store {
    const { store } = this.#world
    const away = new PurlinError('PUR_STORE_UNREACHABLE', { message: 'no store' })
    const call = <Answer>(name: string, act: () => Promise<Answer>): Promise<Answer> =>
      this.#call(
        name,
        async () => {
          if (this.isCutOff) throw away
          return await act()
        },
        away,
      )
    const heard = async (): Promise<void> => {
      if (!this.#hears) await this.#hearing.promise
    }
    return {
      ...store,
      get: (key) => call('get', () => store.get(key)),
      transact: (transaction) => call('transact', () => store.transact(transaction)),
      list: async (prefix) => {
        if (this.isCutOff) throw away
        return await store.list(prefix)
      },
      watch: async function* (prefix, options) {
        for await (const changes of store.watch(prefix, options)) {
          await heard()
          yield changes
        }
      },
    }
  }

  /** As much of libvirt as one machine without NICs and disks needs. */
  #libvirt(): LibvirtPort {
    const away = new PurlinError('PUR_VIRT_TIMEOUT', { message: 'no answer' })
    const change = (call: string, domain: () => LeaseHost['domain']): Promise<void> =>
      this.#call(
        call,
        async () => {
          this.domain = domain()
        },
        away,
      )
    const standing = () => {
      if (this.domain !== undefined) return this.domain
      throw new PurlinError('PUR_VIRT_NO_DOMAIN', { message: 'no domain' })
    }
    const record = () => {
      const { xml, active } = standing()
      return {
        ...{ name: MACHINE, uuid: UUID, state: active ? 1 : 5, reason: 0, persistent: true },
        ...{ autostart: false, managedSave: false, xml },
        ...(active && { id: 1, inactiveXml: xml }),
      }
    }
    const port: Partial<LibvirtPort> = {
      onEvent: () => () => {},
      listDomains: async () => (this.domain === undefined ? [] : [record()]),
      domain: async () => record(),
      defineXml: (xml) => change('define', () => ({ xml, active: this.domain?.active ?? false })),
      start: () => change('start', () => ({ ...standing(), active: true })),
      destroy: () => change('destroy', () => ({ ...standing(), active: false })),
      undefine: () => change('undefine', () => (standing().active ? this.domain : undefined)),
    }
    return port as LibvirtPort
  }
}

function aliveKey(host: string): string {
  return `/host-alive/${host}`
}
