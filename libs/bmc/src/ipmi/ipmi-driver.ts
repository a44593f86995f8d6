import { PurlinError } from '@purlin/base'
import type {
  BmcEvent,
  BootDevice,
  BootRequest,
  FieldUnit,
  Hardware,
  Identity,
  PowerState,
  Sensor,
} from '../bmc.ts'
import { bmcError } from '../bmc-error.ts'
import type { ConsoleLink } from '../console/console.ts'
import type { BmcDriver, PowerAction } from '../driver.ts'
import { foreignText } from '../foreign-text.ts'
import { uuidReadings } from '../identity.ts'
import { bootWords, READ_BOOT_FLAGS, readBootFlags } from './boot-flags.ts'
import { readHardware, readSerials } from './controller-text.ts'
import { EVENTS_MAX, parseEvents } from './event-text.ts'
import { parseFieldUnits } from './field-unit-text.ts'
import type { Ipmitool } from './ipmitool.ts'
import { parsePowerState, parseRawBytes } from './power-text.ts'
import { parseSensors } from './sensor-text.ts'

/** Ironic's default; real BMCs lose commands that come faster. */
export const LEAST_GAP_MS = 5_000
/** Get System GUID: netFn 6, command 0x37 (IPMI 2.0, 22.14). */
const READ_SYSTEM_UUID = ['raw', '0x06', '0x37'] as const

/** A BMC over IPMI 2.0. */
export class IpmiDriver implements BmcDriver {
  readonly address: string
  readonly leastGapMs: number
  readonly consoleLink: ConsoleLink
  readonly #tool: Ipmitool

  constructor(tool: Ipmitool, consoleLink: ConsoleLink, leastGapMs: number) {
    this.address = tool.subject.address
    this.leastGapMs = leastGapMs
    this.consoleLink = consoleLink
    this.#tool = tool
  }

  async powerState(signal: AbortSignal): Promise<PowerState> {
    const text = await this.#tool.ask(['power', 'status'], { signal, flags: ['-v'] })
    return parsePowerState(text) ?? this.#bad('power status', text)
  }

  async control(action: PowerAction, signal: AbortSignal): Promise<void> {
    await this.#tool.ask(['power', action], { signal, flags: ['-v'] })
  }

  async readBoot(signal: AbortSignal): Promise<BootDevice> {
    const text = await this.#tool.ask(READ_BOOT_FLAGS, { signal })
    const bytes = parseRawBytes(text, 16)
    return (bytes && readBootFlags(bytes)) ?? this.#bad('boot device', text)
  }

  async writeBoot(request: BootRequest, signal: AbortSignal): Promise<void> {
    await this.#tool.ask(bootWords(request), { signal })
  }

  async sensors(signal: AbortSignal): Promise<readonly Sensor[]> {
    return parseSensors(await this.#tool.ask(['sensor'], { signal, flags: ['-c'], partial: true }))
  }

  async fieldUnits(signal: AbortSignal): Promise<readonly FieldUnit[]> {
    return parseFieldUnits(await this.#tool.ask(['fru', 'print'], { signal, partial: true }))
  }

  async events(signal: AbortSignal): Promise<readonly BmcEvent[]> {
    const words = ['sel', 'elist', 'last', String(EVENTS_MAX)]
    return parseEvents(await this.#tool.ask(words, { signal, flags: ['-c'] }))
  }

  async clearEvents(signal: AbortSignal): Promise<void> {
    await this.#tool.ask(['sel', 'clear'], { signal })
  }

  async hardware(signal: AbortSignal): Promise<Hardware> {
    const controller = await this.#tool.ask(['mc', 'info'], { signal })
    return readHardware(controller, await this.fieldUnits(signal))
  }

  async identity(signal: AbortSignal): Promise<Identity> {
    const uuids = await this.#uuids(signal)
    return { uuids, serials: readSerials(await this.fieldUnits(signal)) }
  }

  /** None of a BMC without the command, which IPMI leaves to it. */
  async #uuids(signal: AbortSignal): Promise<readonly string[]> {
    try {
      const text = await this.#tool.ask(READ_SYSTEM_UUID, { signal })
      return uuidReadings(parseRawBytes(text, 16) ?? this.#bad('system UUID', text))
    } catch (thrown) {
      if (thrown instanceof PurlinError && thrown.code === 'PUR_BMC_UNSUPPORTED') return []
      throw thrown
    }
  }

  #bad(tried: string, text: string): never {
    throw badAnswer(this.#tool, tried, text)
  }
}

function badAnswer(tool: Ipmitool, tried: string, text: string): PurlinError {
  const found = `its answer was “${foreignText(text).slice(0, 80)}”`
  return bmcError('PUR_BMC_BAD_ANSWER', tool.subject, tried, found)
}
