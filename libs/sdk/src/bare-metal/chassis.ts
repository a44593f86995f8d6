import type {
  BmcEventList,
  BootAnswer,
  BootDeviceRequest,
  ChassisLife,
  ChassisState,
  ChassisTransition,
  FieldUnitList,
  HardwareAnswer,
  IdentityAnswer,
  PowerAnswer,
  PowerRequest,
  ReportChanges,
  ReportSummary,
  Resource,
  SensorList,
  StoredReport,
} from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { carryOut, startTask } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import { type Collection, collectionOf } from '../resources/collection.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'
import { type ConsoleOptions, type ConsoleOutput, consoleOf } from './console.ts'
import { type WaitForOptions, waitForRest, waitForState } from './wait-for.ts'

/** How a chassis is switched: `soft` asks its system, `otherwise` says what then. */
export type PowerAction = PowerRequest['action']
export type PowerOptions = Omit<PowerRequest, 'action'> & MutationOptions

/** Chassis, with what can be asked of a single one. Errors of every call that asks a BMC:
 *  PUR_BMC_*; of every change: PUR_LIFE_REFUSED in a state in which it is not possible. */
export interface ChassisCollection extends Collection<'Chassis'> {
  /** Whether it is on, as its BMC says now. */
  power(name: string, options?: CallOptions): Promise<PowerAnswer>
  /** Switches it; the task ends when the BMC reports what was asked. */
  setPower(name: string, action: PowerAction, options?: PowerOptions): Promise<TaskHandle>
  boot(name: string, options?: CallOptions): Promise<BootAnswer>
  /** Sets what it starts from, and answers what its BMC reports then. */
  setBoot(name: string, boot: BootDeviceRequest, options?: MutationOptions): Promise<BootAnswer>
  clearBoot(name: string, options?: MutationOptions): Promise<BootAnswer>
  sensors(name: string, options?: CallOptions): Promise<SensorList['items']>
  fieldUnits(name: string, options?: CallOptions): Promise<FieldUnitList['items']>
  /** Oldest first. */
  eventLog(name: string, options?: CallOptions): Promise<BmcEventList['items']>
  clearEventLog(name: string, options?: MutationOptions): Promise<void>
  hardware(name: string, options?: CallOptions): Promise<HardwareAnswer>
  identity(name: string, options?: CallOptions): Promise<IdentityAnswer>
  /** What its serial console says: what was recorded, then what comes. */
  console(name: string, options?: ConsoleOptions): AsyncGenerator<ConsoleOutput, void>
  /** Asks its BMC anew who it is. */
  verify(name: string, options?: MutationOptions): Promise<TaskHandle>
  /** Starts the discovery system; the task ends with the report. */
  discover(name: string, options?: MutationOptions): Promise<TaskHandle>
  /** Newest first. */
  reports(name: string, options?: CallOptions): Promise<readonly ReportSummary[]>
  report(name: string, id?: number | 'latest', options?: CallOptions): Promise<StoredReport>
  /** What differs between two reports; absent: the newest and the one before. */
  reportChanges(
    name: string,
    between?: { readonly from?: number; readonly to?: number },
    options?: CallOptions,
  ): Promise<ReportChanges>
  maintenance(
    name: string,
    on: boolean,
    options?: MutationOptions & { readonly reason?: string },
  ): Promise<ChassisLife>
  /** Starts the rescue system, into which the holders of these keys may log in as root. */
  rescue(name: string, sshKeys: readonly string[], options?: MutationOptions): Promise<TaskHandle>
  endRescue(name: string, options?: MutationOptions): Promise<TaskHandle>
  /** Gives up what is under way. */
  cancel(name: string, options?: MutationOptions): Promise<TaskHandle>
  /** Begins again with what failed. */
  retry(name: string, options?: MutationOptions): Promise<TaskHandle>
  /** The transitions of its life, oldest first. */
  history(
    name: string,
    options?: CallOptions & { readonly limit?: number },
  ): Promise<readonly ChassisTransition[]>
  /** Waits until it is in the state, or one of them. Errors: its failure’s own. */
  waitFor(
    name: string,
    state: ChassisState | readonly ChassisState[],
    options?: WaitForOptions,
  ): Promise<Resource<'Chassis'>>
  /** Waits until nothing is under way with it, whatever came of it. */
  waitForRest(name: string, options?: WaitForOptions): Promise<Resource<'Chassis'>>
}

/** A BMC takes one command at a time, with pauses; a slow one takes a minute for its sensors. */
const BMC_DEADLINE_MS = 120_000

/** The chassis behind `transport`. */
export function chassisOf(transport: Transport): ChassisCollection {
  const collection = collectionOf(transport, 'Chassis')
  const patient = <Options extends CallOptions>(options?: Options) => ({
    deadlineMs: BMC_DEADLINE_MS,
    ...options,
  })
  const getter = (name: string) => (signal: AbortSignal) => collection.get(name, { signal })
  return {
    ...collection,
    power: (name, options) =>
      carryOut(transport, 'chassisPower', { parts: { name }, options: patient(options) }),
    setPower: (name, action, { deadlineMs, otherwise, ...options } = {}) => {
      const body = {
        action,
        ...(deadlineMs !== undefined && { deadlineMs }),
        ...(otherwise !== undefined && { otherwise }),
      }
      return startTask(transport, 'setChassisPower', { parts: { name }, body, options })
    },
    boot: (name, options) =>
      carryOut(transport, 'chassisBoot', { parts: { name }, options: patient(options) }),
    setBoot: (name, body, options) =>
      carryOut(transport, 'setChassisBoot', { parts: { name }, body, options: patient(options) }),
    clearBoot: (name, options) =>
      carryOut(transport, 'clearChassisBoot', { parts: { name }, options: patient(options) }),
    sensors: async (name, options) => {
      const call = { parts: { name }, options: patient(options) }
      return (await carryOut(transport, 'chassisSensors', call)).items
    },
    fieldUnits: async (name, options) => {
      const call = { parts: { name }, options: patient(options) }
      return (await carryOut(transport, 'chassisFieldUnits', call)).items
    },
    eventLog: async (name, options) => {
      const call = { parts: { name }, options: patient(options) }
      return (await carryOut(transport, 'chassisEventLog', call)).items
    },
    clearEventLog: async (name, options) => {
      const call = { parts: { name }, options: patient(options) }
      await carryOut(transport, 'clearChassisEventLog', call)
    },
    hardware: (name, options) =>
      carryOut(transport, 'chassisHardware', { parts: { name }, options: patient(options) }),
    identity: (name, options) =>
      carryOut(transport, 'chassisIdentity', { parts: { name }, options: patient(options) }),
    console: (name, options) => consoleOf(transport, name, options),
    verify: (name, options) => startTask(transport, 'verifyChassis', { parts: { name }, options }),
    discover: (name, options) =>
      startTask(transport, 'discoverChassis', { parts: { name }, options }),
    reports: async (name, options) =>
      (await carryOut(transport, 'listChassisReports', { parts: { name }, options })).items,
    report: (name, id = 'latest', options) =>
      carryOut(transport, 'getChassisReport', { parts: { name, report: String(id) }, options }),
    reportChanges: (name, { from, to } = {}, options) => {
      const query = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
      return carryOut(transport, 'chassisReportChanges', { parts: { name }, query, options })
    },
    maintenance: (name, on, { reason, ...options } = {}) => {
      const body = { on, ...(reason !== undefined && { reason }) }
      return carryOut(transport, 'setChassisMaintenance', { parts: { name }, body, options })
    },
    rescue: (name, sshKeys, options) => {
      const body = { sshKeys: [...sshKeys] }
      return startTask(transport, 'rescueChassis', { parts: { name }, body, options })
    },
    endRescue: (name, options) =>
      startTask(transport, 'endChassisRescue', { parts: { name }, options }),
    cancel: (name, options) => startTask(transport, 'cancelChassis', { parts: { name }, options }),
    retry: (name, options) => startTask(transport, 'retryChassis', { parts: { name }, options }),
    history: async (name, { limit, ...options } = {}) => {
      const query = { ...(limit !== undefined && { limit }) }
      return (await carryOut(transport, 'chassisHistory', { parts: { name }, query, options }))
        .items
    },
    waitFor: (name, state, options) => {
      const states = typeof state === 'string' ? [state] : state
      return waitForState(transport, getter(name), states, options)
    },
    waitForRest: (name, options) => waitForRest(transport, getter(name), options),
  }
}
