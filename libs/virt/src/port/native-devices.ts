import type { LibvirtPort } from './libvirt-port.ts'
import type { Call } from './native.ts'

/** What changes an active domain, and metadata. */
export type DeviceCalls = Pick<
  LibvirtPort,
  | 'attachDevice'
  | 'detachDevice'
  | 'updateDevice'
  | 'setCpus'
  | 'setMemory'
  | 'setDiskLimits'
  | 'setMetadata'
>

const KIB_PER_MIB = 1_024

/** These calls over the addon. */
export function deviceCalls(call: Call): DeviceCalls {
  return {
    attachDevice: (name, xml, options) =>
      call(`giving a device to domain ${name}`, options, (on, ms) =>
        on.attachDevice(name, xml, ms),
      ),
    detachDevice: (name, alias, options) =>
      call(`taking device ${alias} from domain ${name}`, options, (on, ms) =>
        on.detachDevice(name, alias, ms),
      ),
    updateDevice: (name, xml, options) =>
      call(`changing a device of domain ${name}`, options, (on, ms) =>
        on.updateDevice(name, xml, ms),
      ),
    setCpus: (name, count, options) =>
      call(`giving ${count} processors to domain ${name}`, options, (on, ms) =>
        on.setCpus(name, count, ms),
      ),
    setMemory: (name, memoryMiB, options) =>
      call(`leaving ${memoryMiB} MiB to domain ${name}`, options, (on, ms) =>
        on.setMemory(name, memoryMiB * KIB_PER_MIB, ms),
      ),
    setDiskLimits: (name, target, limits, options) =>
      call(`limiting disk ${target} of domain ${name}`, options, (on, ms) => {
        const list = Object.entries(limits).map(([limit, value]) => ({ name: limit, value }))
        return on.setDiskLimits(name, target, list, ms)
      }),
    setMetadata: (name, element, options) =>
      call(`writing metadata of domain ${name}`, options, (on, ms) =>
        on.setMetadata(name, element, options.inactive ?? false, ms),
      ),
  }
}
