import type { Console, ConsoleOptions } from './console/console.ts'

export type PowerState = 'on' | 'off'

/** What a chassis starts from: `none` is the order of its own firmware, `setup` its menu. */
export type BootTarget = 'none' | 'pxe' | 'disk' | 'cdrom' | 'setup'

export interface BootRequest {
  readonly device: BootTarget
  /** For every start from now on; otherwise for the next one alone. */
  readonly lasting: boolean
  readonly firmware: 'bios' | 'uefi'
}

/** What a BMC says it will start from. */
export interface BootDevice {
  /** `other` is a device that Purlin never asks for. */
  readonly device: BootTarget | 'other'
  /** May be true although one start was asked for: then it has to be cleared after that start. */
  readonly lasting: boolean
  readonly firmware?: 'bios' | 'uefi'
  /** IPMI's own word on its flags; there are BMCs that say invalid and obey all the same. */
  readonly valid: boolean
}

export interface Sensor {
  readonly name: string
  /** Absent for one that cannot be read now, and for discrete ones. */
  readonly reading?: number
  /** As the BMC names it: `degrees C`, `RPM`, `Volts`; `discrete` for a sensor of states. */
  readonly unit: string
  /** IPMI: `ok`, `nc`, `cr`, `nr`, `na`, or the states of a discrete one; Redfish: its health. */
  readonly status: string
  readonly lowerCritical?: number
  readonly upperCritical?: number
}

/** A field-replaceable unit: `fields` in the order and by the names of the BMC. */
export interface FieldUnit {
  readonly name: string
  readonly fields: readonly { readonly name: string; readonly value: string }[]
}

export interface BmcEvent {
  readonly id: string
  /** Milliseconds since 1970; absent where the BMC had no time yet. */
  readonly atMs?: number
  readonly sensor: string
  readonly text: string
}

export interface Hardware {
  readonly manufacturer?: string
  readonly product?: string
  readonly controllerFirmware?: string
  readonly biosVersion?: string
  readonly processors?: number
  readonly memoryMiB?: number
}

/** Who a chassis is: every reading of its system UUID (lower case) and its serial numbers. */
export interface Identity {
  readonly uuids: readonly string[]
  readonly serials: readonly string[]
}

export interface CallOptions {
  /** From the call to its answer, waiting in the queue included. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

export interface SoftOffOptions extends CallOptions {
  /** How long the system on the machine has to switch itself off, once the BMC has asked it. */
  readonly deadlineMs: number
  /** What then: cut the power, or fail with PUR_BMC_POWER_STUCK. */
  readonly otherwise: 'off' | 'fail'
}

/** A BMC. Errors of every call: PUR_BMC_UNREACHABLE, PUR_BMC_NO_ANSWER, PUR_BMC_TIMEOUT,
 *  PUR_BMC_PASSWORD, PUR_BMC_CERTIFICATE, PUR_BMC_REFUSED, PUR_BMC_UNSUPPORTED, PUR_BMC_BAD_ANSWER,
 *  PUR_BMC_QUEUE_FULL, PUR_CANCELLED. Source: IPMI 2.0 rev. 1.1; DMTF DSP0266, DSP2046. */
export interface Bmc {
  readonly name: string
  powerState(options?: CallOptions): Promise<PowerState>
  /** Switches hard, and returns when the BMC reports it. Errors: PUR_BMC_POWER_STUCK. */
  power(wanted: PowerState, options?: CallOptions): Promise<void>
  /** Asks the system to switch off; the answer is how it went off. Errors: PUR_BMC_POWER_STUCK. */
  powerSoft(options: SoftOffOptions): Promise<'soft' | 'cut'>
  /** Off, then on, both read back; one that was off is switched on. The deadline is of each.
   *  Errors: PUR_BMC_POWER_STUCK. */
  powerCycle(options?: CallOptions): Promise<void>
  /** A hard reset, which nothing can be read back of. */
  powerReset(options?: CallOptions): Promise<void>
  bootDevice(options?: CallOptions): Promise<BootDevice>
  /** Sets and reads back. Errors: PUR_BMC_BOOT_IGNORED when another device is reported. */
  setBootDevice(request: BootRequest, options?: CallOptions): Promise<BootDevice>
  /** Back to the firmware's own order, read back. Errors: PUR_BMC_BOOT_IGNORED. */
  clearBootDevice(options?: CallOptions): Promise<BootDevice>
  sensors(options?: CallOptions): Promise<readonly Sensor[]>
  fieldUnits(options?: CallOptions): Promise<readonly FieldUnit[]>
  /** The newest events, the oldest of them first. */
  events(options?: CallOptions): Promise<readonly BmcEvent[]>
  clearEvents(options?: CallOptions): Promise<void>
  hardware(options?: CallOptions): Promise<Hardware>
  identity(options?: CallOptions): Promise<Identity>
  /** Starts recording the serial console. Errors: PUR_BMC_UNSUPPORTED over Redfish. */
  console(options: ConsoleOptions): Promise<Console>
  /** Refuses further calls, gives up those that wait and ends the consoles. */
  close(): Promise<void>
}
