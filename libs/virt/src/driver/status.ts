import type { Condition } from '@purlin/schema'
import type { PowerState } from '../machine/power-state.ts'
import { isAsWanted } from '../machine/wanted-power.ts'
import { deviceConditions } from './device-conditions.ts'
import type { MachineDesired, VirtObserved } from './types.ts'

/** A condition without its time, which only who keeps the former status knows. */
export type MachineCondition = Omit<Condition, 'sinceMs'>

export interface MachineStatus {
  readonly powerState: PowerState
  readonly conditions: readonly MachineCondition[]
}

/** What can be said of a machine from the last look at libvirt. Pure. */
export function machineStatus(observed: VirtObserved, machine: MachineDesired): MachineStatus {
  const found = observed.machines.find((one) => one.name === machine.name)
  const powerState = found?.state ?? 'absent'
  return {
    powerState,
    conditions: [ready(observed, machine, powerState), ...deviceConditions(machine, found)],
  }
}

function ready(
  observed: VirtObserved,
  machine: MachineDesired,
  powerState: PowerState,
): MachineCondition {
  const type = 'Ready'
  if (isAsWanted(machine.powerState, powerState)) {
    const message = `machine ${machine.name} is ${powerState}, as it should be`
    return { type, status: 'true', reason: asWantedReason(powerState), message }
  }
  const taken =
    powerState === 'absent' && observed.foreign.some((domain) => domain.name === machine.name)
  if (taken) {
    const message = `a domain ${machine.name} exists that is not Purlin’s; rename one of the two`
    return { type, status: 'false', reason: 'NameTaken', message }
  }
  const message = `machine ${machine.name} is ${powerState} and should be ${machine.powerState}`
  return { type, status: 'false', reason: 'PowerStateDiffers', message }
}

/** The reason of a machine that is as it should be. */
export function asWantedReason(state: PowerState): string {
  return `${state.slice(0, 1).toUpperCase()}${state.slice(1)}`
}
