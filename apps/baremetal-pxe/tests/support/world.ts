import { createVirtualClock, PurlinError, type VirtualClock } from '@purlin/base'
import type { Bmc, BootDevice, CallOptions, Identity, PowerState } from '@purlin/bmc'
import type { AlertCause, NewEvent } from '@purlin/schema'
import { type Conductor, startConductor } from '../../src/life/conductor.ts'
import type { Deadlines } from '../../src/life/deadlines.ts'
import type { LifeGrounds } from '../../src/life/ports.ts'
import { type Faults, Machine } from './machine.ts'
import { check, MemoryRecords, type Session } from './memory-store.ts'
import { inputsOf, MEDIUM, ROOT_IMAGE } from './samples.ts'

const MINUTE_MS = 60_000
const START_MS = 1_700_000_000_000

/** One chassis, its BMC and the daemon, on a simulated clock. */
export class World {
  readonly clock: VirtualClock = createVirtualClock(START_MS)
  readonly machine: Machine
  readonly told: NewEvent[] = []
  readonly alerts = new Map<string, AlertCause>()
  readonly troubles: unknown[] = []
  readonly #records = new MemoryRecords()
  readonly #deadlines: Partial<Deadlines>
  #session: Session = { alive: false, point: () => {} }
  #conductor: Conductor | undefined
  /** Points at which the daemon may be killed, counted over all its lives. */
  points = 0
  killAt: number | undefined

  constructor(options: { readonly faults?: Faults; readonly deadlines?: Partial<Deadlines> } = {}) {
    this.#deadlines = { lingerMs: 10_000, ...options.deadlines }
    this.machine = new Machine(this.clock, options.faults ?? {}, () =>
      this.#session.alive ? this.#conductor?.desk : undefined,
    )
  }

  get conductor(): Conductor {
    if (this.#conductor === undefined) throw new Error('the daemon does not run')
    return this.#conductor
  }

  /** Starts the daemon, after a kill too. */
  async start(): Promise<Conductor> {
    const session: Session = { alive: true, point: () => this.#point(session) }
    this.#session = session
    this.#conductor = await startConductor(this.#grounds(session))
    return this.#conductor
  }

  /** Ends the daemon as a power cut does. */
  kill(): void {
    this.#session.alive = false
  }

  get alive(): boolean {
    return this.#session.alive
  }

  async enrol(trustsMac = false): Promise<void> {
    await this.conductor.enrol({
      name: 'c1',
      uid: 'c1-uid',
      bootMac: this.machine.mac,
      firmware: 'bios',
      trustsMac,
    })
  }

  /** Moves time on until the state is reached; false when it was not in time. */
  async until(states: readonly string[], minutes = 600): Promise<boolean> {
    for (let passed = 0; passed < minutes * 6; passed++) {
      const life = this.#conductor?.lifeOf('c1')
      if (this.alive && life !== undefined && states.includes(life.state)) {
        if (life.pending.length === 0) return true
      }
      await this.clock.advance(MINUTE_MS / 6)
      if (!this.alive) await this.start()
    }
    return false
  }

  async stop(): Promise<void> {
    this.machine.end()
    let stopped = false
    const stopping = this.#conductor?.stop().catch(() => {})
    stopping?.finally(() => {
      stopped = true
    })
    while (!stopped) await this.clock.advance(MINUTE_MS)
  }

  #point(session: Session): void {
    this.points += 1
    if (this.points !== this.killAt) return
    this.killAt = undefined
    session.alive = false
  }

  #grounds(session: Session): LifeGrounds {
    return {
      store: this.#records.open(session),
      clock: this.clock,
      // No program of this host has a part in these tests.
      run: async () => ({ exitCode: 0, stdout: '', stderr: '' }),
      bmcOf: async () => this.#bmc(session),
      consoleFolder: '/nowhere',
      media: {
        readyMedium: async () => MEDIUM,
        readyImage: async () => ROOT_IMAGE,
        placeOf: () => '/nowhere',
      },
      inputsOf: async (instance) => inputsOf(instance),
      agentScript: async () => '#!/bin/sh\n',
      agentAvailable: async () => true,
      tell: (event) => void this.told.push(event),
      raise: (cause) => void this.alerts.set(cause.code, cause),
      clear: (_subject, code) => void this.alerts.delete(code),
      changed: () => {},
      onTrouble: (_chassis, thrown) => void this.troubles.push(thrown),
      deadlines: this.#deadlines,
    }
  }

  /** The BMC as one session of the daemon reaches it. */
  #bmc(session: Session): Bmc {
    const { machine } = this
    const call = async <Value>(
      work: () => Promise<Value>,
      options: CallOptions = {},
    ): Promise<Value> => {
      check(session)
      session.point()
      check(session)
      const value = await untilAborted(work(), options.signal)
      session.point()
      check(session)
      return value
    }
    const unsupported = async (): Promise<never> => {
      throw new PurlinError('PUR_BMC_UNSUPPORTED', { message: 'it has none' })
    }
    const off = async (): Promise<'cut'> => {
      await call(() => machine.switch('off'))
      return 'cut'
    }
    const cycle = async (): Promise<void> => {
      await call(() => machine.switch('off'))
      await call(() => machine.switch('on'))
    }
    return {
      name: 'c1',
      powerState: (options): Promise<PowerState> => call(() => machine.power(), options),
      power: (wanted, options) => call(() => machine.switch(wanted), options),
      powerSoft: off,
      powerCycle: cycle,
      powerReset: cycle,
      bootDevice: (): Promise<BootDevice> => call(() => machine.bootDevice()),
      setBootDevice: (request, options) => call(() => machine.setBoot(request), options),
      clearBootDevice: () =>
        call(() => machine.setBoot({ device: 'none', lasting: false, firmware: 'bios' })),
      sensors: async () => [],
      fieldUnits: async () => [],
      events: async () => [{ id: '1', sensor: 'Power Unit', text: 'Power off' }],
      clearEvents: async () => {},
      hardware: async () => ({}),
      identity: (options): Promise<Identity> => call(() => machine.identity(), options),
      console: unsupported,
      close: async () => {},
    }
  }
}

/** As a BMC's queue does: who gave a call up is not held by it. */
async function untilAborted<Value>(work: Promise<Value>, signal?: AbortSignal): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>()
  const over = (): void =>
    reject(new PurlinError('PUR_CANCELLED', { message: 'given up by the caller' }))
  signal?.addEventListener('abort', over, { once: true })
  if (signal?.aborted === true) over()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal?.removeEventListener('abort', over)
  }
}
