import { type Clock, PurlinError } from '@purlin/base'
import type {
  Bmc,
  BmcEvent,
  BootDevice,
  BootRequest,
  CallOptions,
  FieldUnit,
  Hardware,
  Identity,
  PowerState,
  Sensor,
  SoftOffOptions,
} from './bmc.ts'
import { bmcError, type ErrorSubject } from './bmc-error.ts'
import { type Console, type ConsoleOptions, ConsoleRecorder } from './console/console.ts'
import type { BmcDriver, PowerAction } from './driver.ts'
import type { CommandPool } from './queue/pool.ts'
import { CommandQueue } from './queue/queue.ts'

const READ_DEADLINE_MS = 120_000
const POWER_DEADLINE_MS = 120_000
/** Between two looks at a power state that is to change; the queue's gap comes on top. */
const LOOK_MS = 250

export interface QueuedBmcOptions {
  readonly name: string
  readonly driver: BmcDriver
  readonly pool: CommandPool
  readonly clock: Clock
}

/** A BMC whose commands go through its queue and are read back. */
export class QueuedBmc implements Bmc {
  readonly name: string
  readonly #driver: BmcDriver
  readonly #queue: CommandQueue
  readonly #clock: Clock
  readonly #consoles = new Set<Console>()

  constructor({ name, driver, pool, clock }: QueuedBmcOptions) {
    this.name = name
    this.#driver = driver
    this.#clock = clock
    const { leastGapMs } = driver
    this.#queue = new CommandQueue({ subject: this.#subject, leastGapMs, pool, clock })
  }

  async powerState(options?: CallOptions): Promise<PowerState> {
    return await this.#read('power status', (signal) => this.#driver.powerState(signal), options)
  }

  async power(wanted: PowerState, options: CallOptions = {}): Promise<void> {
    const untilMs = this.#deadlineOf(options)
    const before = await this.powerState(this.#left(untilMs, options.signal))
    if (before === wanted) return
    await this.#control(wanted, this.#left(untilMs, options.signal))
    if (await this.#reached(wanted, untilMs, options.signal)) return
    throw this.#stuck(`power ${wanted}`, wanted)
  }

  async powerSoft({ otherwise, deadlineMs, signal }: SoftOffOptions): Promise<'soft' | 'cut'> {
    const options = signal === undefined ? {} : { signal }
    if ((await this.powerState(options)) === 'off') return 'soft'
    try {
      await this.#control('soft', options)
      const untilMs = this.#deadlineOf({ deadlineMs })
      const halfwayMs = this.#clock.monotonicMs() + deadlineMs / 2
      if (await this.#reached('off', halfwayMs, signal)) return 'soft'
      await this.#pressAgain(untilMs, signal)
      if (await this.#reached('off', untilMs, signal)) return 'soft'
    } catch (thrown) {
      // A BMC that cannot ask cannot be waited for; any other failure is the caller's to know.
      const cannot = thrown instanceof PurlinError && thrown.code === 'PUR_BMC_UNSUPPORTED'
      if (!cannot || otherwise === 'fail') throw thrown
    }
    if (otherwise === 'fail') throw this.#stuck('power soft', 'off')
    await this.power('off', options)
    return 'cut'
  }

  async powerCycle(options: CallOptions = {}): Promise<void> {
    await this.power('off', options)
    await this.power('on', options)
  }

  async powerReset(options?: CallOptions): Promise<void> {
    await this.#control('reset', options)
  }

  async bootDevice(options?: CallOptions): Promise<BootDevice> {
    return await this.#read('boot device', (signal) => this.#driver.readBoot(signal), options)
  }

  async setBootDevice(request: BootRequest, options: CallOptions = {}): Promise<BootDevice> {
    const what = `boot device ${request.device}`
    const write = (signal: AbortSignal): Promise<void> => this.#driver.writeBoot(request, signal)
    await this.#run({ what, repeatable: true, work: write }, options)
    const found = await this.bootDevice(options)
    if (found.device === request.device) return found
    const sentence = `it reports ${found.device} after it accepted ${request.device}`
    throw bmcError('PUR_BMC_BOOT_IGNORED', this.#subject, what, sentence)
  }

  async clearBootDevice(options?: CallOptions): Promise<BootDevice> {
    return await this.setBootDevice({ device: 'none', lasting: false, firmware: 'bios' }, options)
  }

  async sensors(options?: CallOptions): Promise<readonly Sensor[]> {
    return await this.#read('sensors', (signal) => this.#driver.sensors(signal), options)
  }

  async fieldUnits(options?: CallOptions): Promise<readonly FieldUnit[]> {
    return await this.#read('fru', (signal) => this.#driver.fieldUnits(signal), options)
  }

  async events(options?: CallOptions): Promise<readonly BmcEvent[]> {
    return await this.#read('event log', (signal) => this.#driver.events(signal), options)
  }

  async clearEvents(options?: CallOptions): Promise<void> {
    const work = (signal: AbortSignal): Promise<void> => this.#driver.clearEvents(signal)
    // Twice might clear an event that nobody has read.
    await this.#run({ what: 'event log clear', repeatable: false, work }, options)
  }

  async hardware(options?: CallOptions): Promise<Hardware> {
    return await this.#read('hardware', (signal) => this.#driver.hardware(signal), options)
  }

  async identity(options?: CallOptions): Promise<Identity> {
    return await this.#read('identity', (signal) => this.#driver.identity(signal), options)
  }

  async console(options: ConsoleOptions): Promise<Console> {
    const link = this.#driver.consoleLink
    if (link === undefined) {
      const found = 'its protocol has no console'
      throw bmcError('PUR_BMC_UNSUPPORTED', this.#subject, 'console', found)
    }
    const end = (signal: AbortSignal): Promise<void> => link.end(signal)
    const console = new ConsoleRecorder(options, {
      clock: this.#clock,
      begin: async () => {
        await this.powerState()
        return await link.begin()
      },
      // Its failure tells nothing that the next session will not tell.
      endSession: () =>
        this.#run({ what: 'console end', repeatable: true, work: end }).catch(() => {}),
    })
    this.#consoles.add(console)
    return console
  }

  async close(): Promise<void> {
    this.#queue.close()
    await Promise.all([...this.#consoles].map((console) => console.close()))
    this.#consoles.clear()
  }

  async #read<Value>(
    what: string,
    work: (signal: AbortSignal) => Promise<Value>,
    options?: CallOptions,
  ): Promise<Value> {
    return await this.#run({ what, poll: true, repeatable: true, work }, options)
  }

  async #control(action: PowerAction, options?: CallOptions): Promise<void> {
    const work = (signal: AbortSignal): Promise<void> => this.#driver.control(action, signal)
    const repeatable = action === 'on' || action === 'off'
    await this.#run({ what: `power ${action}`, repeatable, work }, options)
  }

  async #run<Value>(
    command: {
      readonly what: string
      readonly poll?: boolean
      readonly repeatable: boolean
      readonly work: (signal: AbortSignal) => Promise<Value>
    },
    { deadlineMs = READ_DEADLINE_MS, signal }: CallOptions = {},
  ): Promise<Value> {
    return await this.#queue.run({ ...command, deadlineMs, signal })
  }

  /** Looks until the power is as wanted; false when the time is over. A look that fails is no
   *  answer: BMCs are slow just then. */
  async #reached(wanted: PowerState, untilMs: number, signal?: AbortSignal): Promise<boolean> {
    while (this.#clock.monotonicMs() < untilMs) {
      try {
        if ((await this.powerState(this.#left(untilMs, signal))) === wanted) return true
      } catch (thrown) {
        if (!(thrown instanceof PurlinError) || !PASSING.has(thrown.code)) throw thrown
      }
      const leftMs = untilMs - this.#clock.monotonicMs()
      if (leftMs > 0) await this.#clock.sleep(Math.min(LOOK_MS, leftMs), signal)
    }
    return false
  }

  /** A system that was still starting heard nothing of the first press. One that is on its way off
   *  takes no notice of another, and some BMCs refuse it then: that is no failure. */
  async #pressAgain(untilMs: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.#control('soft', this.#left(untilMs, signal))
    } catch (thrown) {
      if (!(thrown instanceof PurlinError) || signal?.aborted === true) throw thrown
    }
  }

  #deadlineOf({ deadlineMs = POWER_DEADLINE_MS }: CallOptions): number {
    return this.#clock.monotonicMs() + deadlineMs
  }

  #left(untilMs: number, signal?: AbortSignal): CallOptions {
    const deadlineMs = Math.max(1, untilMs - this.#clock.monotonicMs())
    return { deadlineMs, ...(signal !== undefined && { signal }) }
  }

  #stuck(what: string, wanted: PowerState): PurlinError {
    const found = `it is not ${wanted} in time`
    return bmcError('PUR_BMC_POWER_STUCK', this.#subject, what, found)
  }

  get #subject(): ErrorSubject {
    return { name: this.name, address: this.#driver.address }
  }
}

const PASSING: ReadonlySet<string> = new Set([
  'PUR_BMC_UNREACHABLE',
  'PUR_BMC_NO_ANSWER',
  'PUR_BMC_TIMEOUT',
  'PUR_BMC_BAD_ANSWER',
])
