import { TELL_AFTER_MS } from '../machine/device-asks.ts'
import { askKeyOf, type LiveChange, type LiveDifference, liveDifference } from './live-changes.ts'
import type { MachineCondition } from './status.ts'
import type { MachineDesired, ObservedMachine } from './types.ts'

/** What of a machine's spec waits for its guest, and what for its next start. Pure. */
export function deviceConditions(
  machine: MachineDesired,
  found: ObservedMachine | undefined,
): readonly MachineCondition[] {
  const { live } = found ?? {}
  const difference = live === undefined ? NOTHING : liveDifference(machine, live)
  return [pendingRestart(machine.name, difference), pendingDevices(machine.name, difference, found)]
}

const NOTHING: LiveDifference = { now: [], later: [], slotsLacking: false }

function pendingRestart(name: string, { later, slotsLacking }: LiveDifference): MachineCondition {
  const type = 'PendingRestart'
  if (later.length === 0) {
    const message = `machine ${name} has nothing pending`
    return { type, status: 'false', reason: 'UpToDate', message }
  }
  const what = later.join(', ')
  return slotsLacking
    ? {
        type,
        status: 'true',
        reason: 'NoFreeSlot',
        message: `machine ${name} has no slot left for another device while it runs; ${what} as they are wanted hold after a stop and a start`,
      }
    : {
        type,
        status: 'true',
        reason: 'SpecChanged',
        message: `machine ${name} runs with its former ${what}; the new ones hold after a stop and a start`,
      }
}

function pendingDevices(
  name: string,
  { now }: LiveDifference,
  found: ObservedMachine | undefined,
): MachineCondition {
  const type = 'PendingDevices'
  const left = [...now.filter(({ kind }) => kind !== 'mark'), ...memoryOnItsWay(found)]
  if (left.length === 0) {
    const message = `machine ${name} has the devices it should have`
    return { type, status: 'false', reason: 'UpToDate', message }
  }
  const kept = left.filter((change) => {
    const ask = found?.asks.get(askKeyOf(change) ?? '')
    return ask !== undefined && (ask.refused || ask.sinceMs >= TELL_AFTER_MS)
  })
  if (kept.length === 0) {
    const message = `machine ${name} is being changed: ${left.map(wordsOf).join(', ')}`
    return { type, status: 'true', reason: 'Changing', message }
  }
  const message = `the guest of machine ${name} does not follow: ${kept.map(wordsOf).join(', ')}; it is asked again each minute: look into the guest whether the device is in use and has a driver, or stop and start the machine, which does it without the guest`
  return { type, status: 'true', reason: 'GuestRefuses', message }
}

/** Memory that libvirt offers, or wants back, and the guest has not taken or given yet. */
function memoryOnItsWay(found: ObservedMachine | undefined): readonly LiveChange[] {
  const device = found?.live?.memoryDevice
  if (device === undefined || device.requestedMiB === device.currentMiB) return []
  return [{ kind: 'request-memory', requestedMiB: device.requestedMiB }]
}

function wordsOf(change: LiveChange): string {
  switch (change.kind) {
    case 'plug-disk':
      return `disk ${'volume' in change.disk ? change.disk.name : change.disk.target} comes`
    case 'plug-nic':
      return `NIC ${change.nic.port} comes`
    case 'unplug-disk':
      return `disk ${change.name} leaves`
    case 'unplug-nic':
      return `NIC ${change.name} leaves`
    case 'limit-disk':
      return `disk ${change.target} has other limits`
    case 'add-cpus':
    case 'remove-cpus':
      return `${change.count} processors`
    case 'request-memory':
      return `${change.requestedMiB} MiB beside the memory it started with`
    case 'balloon':
      return `${change.memoryMiB} MiB of the memory it started with`
    case 'mark':
      return 'its mark'
  }
}
