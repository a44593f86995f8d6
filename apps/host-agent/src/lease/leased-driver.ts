import { toPurlinError } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import type { VirtDesired, VirtDriver, VirtObserved, VirtStep } from '@purlin/virt'
import type { MachineLeases, SeenLease } from './machine-leases.ts'
import { type LeasedStep, planLeases } from './plan-leases.ts'

/** Machines with what is known of their leases; nothing until that is known. */
export interface LeasedObserved extends VirtObserved {
  readonly leases?: ReadonlyMap<string, SeenLease>
}

/** The virt lane whose machines start under a lease alone. */
export interface LeasedVirtDriver
  extends Omit<VirtDriver, 'observe' | 'plan' | 'execute' | 'facts' | 'independent'> {
  observe(signal: AbortSignal): Promise<LeasedObserved>
  plan(desired: VirtDesired, observed: LeasedObserved): readonly LeasedStep[]
  facts(observed: LeasedObserved): ReturnType<VirtDriver['facts']>
  execute(step: LeasedStep, signal: AbortSignal): Promise<void>
  independent(failed: LeasedStep, later: LeasedStep): boolean
}

export interface LeasedDriverOptions {
  readonly driver: VirtDriver
  readonly leases: MachineLeases
  readonly tell: (event: NewEvent) => void
}

/** Puts leases before the starts of a virt lane. Since the lane does one step at a time, no machine
 *  is started while its lease is let go. */
export function leasedDriver({ driver, leases, tell }: LeasedDriverOptions): LeasedVirtDriver {
  return {
    ...driver,
    observe: async (signal) => {
      const observed = await driver.observe(signal)
      const running = observed.machines.filter(({ active }) => active)
      for (const { name } of running) await leases.settled(name)
      const seen = leases.see(running.map(({ name: machine, uuid }) => ({ machine, uuid })))
      return seen === undefined ? observed : { ...observed, leases: seen }
    },
    plan: (desired, observed) =>
      planLeases(desired, observed, observed.leases, driver.plan(desired, observed)),
    execute: async (step, signal) => {
      const { machine, uuid = '' } = step
      switch (step.verb) {
        case 'claim':
          return await leases.claim({ machine, uuid })
        case 'release':
          return await leases.release(machine)
        case 'surrender': {
          if (!(await leases.isLost({ machine, uuid }))) return
          await driver.execute({ ...step, verb: 'destroy' }, signal)
          return tell(surrendered(machine))
        }
        case 'adopt':
          // A machine of that name may still run elsewhere, and what runs here must not be ended.
          await leases.claim({ machine, uuid: step.spec?.uuid ?? '' })
          return await driver.execute({ ...step, verb: 'adopt' }, signal)
        default:
          return await executeLeased(driver, leases, { ...step, verb: step.verb }, signal)
      }
    },
    independent: (failed, later) => failed.machine !== later.machine,
  }
}

async function executeLeased(
  driver: VirtDriver,
  leases: MachineLeases,
  step: VirtStep & { readonly uuid?: string },
  signal: AbortSignal,
): Promise<void> {
  const { machine, uuid = '', verb } = step
  const isStart = verb === 'start' || verb === 'restore'
  if (isStart) await leases.take({ machine, uuid })
  try {
    await driver.execute(step, signal)
  } catch (thrown) {
    const { code } = toPurlinError(thrown)
    if (isStart && ANSWERED.has(code)) await leases.settled(machine)
    throw thrown
  }
  if (isStart || verb === 'undefine') await leases.settled(machine)
}

/** libvirt has answered, so that nothing of the start is under way. After any other error it may
 *  still come about, until the domain is seen to run or is gone. */
const ANSWERED: ReadonlySet<string> = new Set([
  'PUR_VIRT_FAILED',
  'PUR_VIRT_REFUSED',
  'PUR_VIRT_NO_DOMAIN',
])

function surrendered(machine: string): NewEvent {
  const message = `machine ${machine} was ended here: another host took its lease since it began, as after this host was said to be off; see that it was off indeed before purlin host fenced is used`
  const subject = { kind: 'VirtualMachine', name: machine }
  return { type: 'machine.surrendered', severity: 'critical', subject, message }
}
