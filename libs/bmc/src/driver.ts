import type {
  BmcEvent,
  BootDevice,
  BootRequest,
  FieldUnit,
  Hardware,
  Identity,
  PowerState,
  Sensor,
} from './bmc.ts'
import type { ConsoleLink } from './console/console.ts'

export type PowerAction = 'on' | 'off' | 'soft' | 'reset'

/** One protocol of BMCs: every call is one command of the queue, ends with `signal`, and throws
 *  errors of the BMC alone. */
export interface BmcDriver {
  readonly address: string
  /** Between the end of a command and the begin of the next. */
  readonly leastGapMs: number
  powerState(signal: AbortSignal): Promise<PowerState>
  control(action: PowerAction, signal: AbortSignal): Promise<void>
  readBoot(signal: AbortSignal): Promise<BootDevice>
  writeBoot(request: BootRequest, signal: AbortSignal): Promise<void>
  sensors(signal: AbortSignal): Promise<readonly Sensor[]>
  fieldUnits(signal: AbortSignal): Promise<readonly FieldUnit[]>
  events(signal: AbortSignal): Promise<readonly BmcEvent[]>
  clearEvents(signal: AbortSignal): Promise<void>
  hardware(signal: AbortSignal): Promise<Hardware>
  identity(signal: AbortSignal): Promise<Identity>
  /** Absent where the protocol has no console. */
  readonly consoleLink?: ConsoleLink
}
