import { type Clock, type Fact, systemClock } from '@purlin/base'
import { DomainReadings } from '../domain/readings.ts'
import { DeviceAsks } from '../machine/device-asks.ts'
import { PowerOffs } from '../machine/power-offs.ts'
import { ResumePace } from '../machine/resume-pace.ts'
import { MachineRuns } from '../machine/runs.ts'
import type { LibvirtEvent } from '../port/event.ts'
import type { LibvirtPort } from '../port/libvirt-port.ts'
import { MachineHolds } from '../snapshot/holds.ts'
import { readDiskSizes } from './disk-sizes.ts'
import { executeVirtStep } from './execute.ts'
import {
  readFacts,
  readObserved,
  withAsks,
  withDiskSizes,
  withHolds,
  withPowerOffs,
  withRuns,
} from './observe.ts'
import { DEFAULT_PLAN_OPTIONS, type PlanOptions, planVirt } from './plan.ts'
import type { VirtDesired, VirtObserved, VirtStep } from './types.ts'

export interface VirtDriverOptions {
  readonly libvirt: LibvirtPort
  readonly clock?: Clock
  /** How long a guest may take to power off before its power is taken, whose machine does not
   *  say. Default 20000. */
  readonly graceMs?: number
  /** Where it is kept which machines were started and how their runs ended; absent: only for as
   *  long as the driver lives. */
  readonly runsFile?: string
  /** Generation of the resource of the machine of that id, as it is wanted now. */
  readonly generationOf?: (uuid: string) => number | undefined
  /** Machines that something else has stand still for a moment. */
  readonly holds?: MachineHolds
  /** Time for one look at all domains. Default 10000. */
  readonly observeDeadlineMs?: number
}

/** The virt lane: one host's machines on libvirt. */
export interface VirtDriver {
  readonly lane: 'virt'
  /** Reads every domain. Errors: PUR_VIRT_UNREACHABLE, PUR_VIRT_TIMEOUT, PUR_CANCELLED. */
  observe(signal: AbortSignal): Promise<VirtObserved>
  /** Pure. */
  plan(desired: VirtDesired, observed: VirtObserved): readonly VirtStep[]
  /** Executes one step and reads back. */
  execute(step: VirtStep, signal: AbortSignal): Promise<void>
  /** Pure. */
  facts(observed: VirtObserved): ReadonlySet<Fact>
  /** Has a machine that rests after its run ended started as if it never ran: somebody wants it. */
  startAnew(uuid: string): Promise<void>
  /** Calls `onChange` with a reason whenever the domains may have changed, until the signal is
   *  aborted. */
  watch(onChange: (reason: string) => void, signal: AbortSignal): void
  /** Steps of other machines go on when one fails. Pure. */
  independent(failed: VirtStep, later: VirtStep): boolean
}

/** Makes the driver of the virt lane. */
export function createVirtDriver(options: VirtDriverOptions): VirtDriver {
  const { libvirt } = options
  const clock = options.clock ?? systemClock
  const powerOffs = new PowerOffs(clock)
  const readings = new DomainReadings()
  const asks = new DeviceAsks(clock)
  const runs = new MachineRuns({
    clock,
    file: options.runsFile,
    generationOf: options.generationOf,
  })
  const holds = options.holds ?? new MachineHolds()
  const context = { libvirt, clock, pace: new ResumePace(clock), powerOffs, asks, runs, holds }
  const planOptions: PlanOptions = { graceMs: options.graceMs ?? DEFAULT_PLAN_OPTIONS.graceMs }
  const deadlineMs = options.observeDeadlineMs ?? 10_000
  return {
    lane: 'virt',
    observe: async (signal) => {
      const call = { deadlineMs, signal }
      const seen = readObserved(await libvirt.listDomains(call), readings.read)
      readings.forgetOthers()
      const found = withAsks(seen, asks)
      const observed = withHolds(await withRuns(withPowerOffs(found, powerOffs), runs), holds)
      return withDiskSizes(observed, await readDiskSizes(libvirt, observed.machines, call))
    },
    plan: (desired, observed) => planVirt(desired, observed, planOptions),
    execute: (step, signal) => executeVirtStep(context, step, signal),
    facts: readFacts,
    startAnew: (uuid) => runs.forget(uuid),
    independent: (failed, later) => failed.machine !== later.machine,
    watch: (onChange, signal) => {
      if (signal.aborted) return
      const unsubscribe = libvirt.onEvent((event) => {
        if (event.kind === 'device' && event.event === 'refused') {
          asks.refuse(event.domain, event.device)
        }
        const reason = changeReason(event)
        if (reason !== undefined) onChange(reason)
      })
      signal.addEventListener('abort', unsubscribe, { once: true })
      holds.watch((machine) => onChange(`machine ${machine} was let go`), signal)
      runs.watch(onChange, signal)
      asks.watch((machine) => onChange(`the guest of machine ${machine} was asked`), signal)
      powerOffs.watch((machine) => onChange(`the grace of machine ${machine} is over`), signal)
    },
  }
}

/** Why an event asks for a new look; a reboot or an agent changes nothing that is compared. */
function changeReason(event: LibvirtEvent): string | undefined {
  switch (event.kind) {
    case 'lifecycle':
      return `domain ${event.domain} ${event.event}`
    case 'connection':
      return `libvirt ${event.state}: ${event.reason}`
    case 'device':
      return `device ${event.device} of domain ${event.domain} ${event.event}`
    case 'missed':
      return `${event.count} events of libvirt missed`
    default:
      return undefined
  }
}
