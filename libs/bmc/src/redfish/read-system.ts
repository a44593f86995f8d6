import type { BootDevice, BootRequest, BootTarget, Hardware, Identity, PowerState } from '../bmc.ts'
import { isSerial } from '../identity.ts'
import { fieldOf, numberOf, textOf } from './resource.ts'

/** Names of Redfish (DSP2046, ComputerSystem, BootSource). */
const TARGETS = {
  none: 'None',
  pxe: 'Pxe',
  disk: 'Hdd',
  cdrom: 'Cd',
  setup: 'BiosSetup',
} as const satisfies Record<BootTarget, string>

/** The power state of a system; undefined while it changes, and for anything else. */
export function readPower(system: unknown): PowerState | 'changing' | undefined {
  switch (fieldOf(system, 'PowerState')) {
    case 'On':
      return 'on'
    case 'Off':
      return 'off'
    case 'PoweringOn':
    case 'PoweringOff':
      return 'changing'
    default:
      return undefined
  }
}

/** What a system says it will start from; undefined when it says nothing of the kind. */
export function readBootOverride(system: unknown): BootDevice | undefined {
  const boot = fieldOf(system, 'Boot')
  const enabled = fieldOf(boot, 'BootSourceOverrideEnabled')
  if (enabled !== 'Once' && enabled !== 'Continuous' && enabled !== 'Disabled') return undefined
  const target = fieldOf(boot, 'BootSourceOverrideTarget')
  const known = Object.entries(TARGETS).find(([, name]) => name === target)?.[0]
  const device = enabled === 'Disabled' ? 'none' : ((known ?? 'other') as BootDevice['device'])
  const mode = fieldOf(boot, 'BootSourceOverrideMode')
  return {
    device,
    lasting: enabled === 'Continuous' && device !== 'none',
    valid: enabled !== 'Disabled',
    ...(mode === 'UEFI' && { firmware: 'uefi' }),
    ...(mode === 'Legacy' && { firmware: 'bios' }),
  }
}

/** The change of a system that sets its boot device. The mode goes along only where the system has
 *  one and it is another: many refuse to be told what they are. */
export function bootOverride(request: BootRequest, system: unknown): object {
  const { device, lasting, firmware } = request
  const mode = firmware === 'uefi' ? 'UEFI' : 'Legacy'
  const present = textOf(fieldOf(system, 'Boot', 'BootSourceOverrideMode'))
  const wanted = device !== 'none' && present !== undefined && present !== mode
  return {
    Boot: {
      BootSourceOverrideTarget: TARGETS[device],
      BootSourceOverrideEnabled: device === 'none' ? 'Disabled' : lasting ? 'Continuous' : 'Once',
      ...(wanted && { BootSourceOverrideMode: mode }),
    },
  }
}

/** What a system and its BMC say of the hardware. */
export function readRedfishHardware(system: unknown, manager: unknown): Hardware {
  const memoryGib = numberOf(fieldOf(system, 'MemorySummary', 'TotalSystemMemoryGiB'))
  const hardware = {
    manufacturer: textOf(fieldOf(system, 'Manufacturer')),
    product: textOf(fieldOf(system, 'Model')),
    controllerFirmware: textOf(fieldOf(manager, 'FirmwareVersion')),
    biosVersion: textOf(fieldOf(system, 'BiosVersion')),
    processors: numberOf(fieldOf(system, 'ProcessorSummary', 'Count')),
    memoryMiB: memoryGib === undefined ? undefined : Math.round(memoryGib * 1024),
  }
  const told = Object.entries(hardware).filter(([, value]) => value !== undefined)
  return Object.fromEntries(told) as Hardware
}

/** Who a system is: Redfish writes the UUID as the system itself does, so there is one reading. */
export function readRedfishIdentity(system: unknown, chassis: readonly unknown[]): Identity {
  const uuid = textOf(fieldOf(system, 'UUID'))?.toLowerCase()
  const serials = [system, ...chassis].map((one) => textOf(fieldOf(one, 'SerialNumber')) ?? '')
  return {
    uuids: uuid === undefined || !/^[0-9a-f-]{36}$/.test(uuid) ? [] : [uuid],
    serials: [...new Set(serials.filter(isSerial))],
  }
}
