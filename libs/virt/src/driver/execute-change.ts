import { PurlinError } from '@purlin/base'
import { allLimitWords } from '../domain/disk-limits.ts'
import { type DomainMark, FIRST_FORM, MARK_NAMESPACE, MARK_PREFIX } from '../domain/mark.ts'
import type { DomainReading } from '../domain/read.ts'
import { diskXml, markXml, memoryXml, nicXml } from '../domain/xml.ts'
import type { DeviceAsks } from '../machine/device-asks.ts'
import type { CallOptions, LibvirtPort } from '../port/libvirt-port.ts'
import { askKeyOf, type LiveChange } from './live-changes.ts'

/** What a change is done with. */
export interface ChangeContext {
  readonly libvirt: LibvirtPort
  readonly asks: DeviceAsks
}

/** Changes one thing of a running machine; what is so already is left alone. A guest that has to
 *  let go of something is asked, and nobody waits for it. Errors: those of LibvirtPort. */
export async function executeChange(
  { libvirt, asks }: ChangeContext,
  machine: string,
  live: DomainReading,
  change: LiveChange,
  call: CallOptions,
): Promise<void> {
  switch (change.kind) {
    case 'plug-disk':
      if (live.disks.some(({ target }) => target === change.disk.target)) return
      return await libvirt.attachDevice(machine, diskXml(change.disk, change), call)
    case 'plug-nic': {
      const { nic } = change
      if (live.nics.some(({ tapDevice }) => tapDevice === nic.tapDevice)) return
      // The tap is in use from its first moment on, and the mark says of which port it is.
      await writeMark(libvirt, machine, withPort(machine, live, nic), call)
      return await libvirt.attachDevice(machine, nicXml(nic), call)
    }
    case 'unplug-disk':
    case 'unplug-nic': {
      const { device } = change
      if (![...live.disks, ...live.nics].some(({ alias }) => alias === device)) return
      asks.note(machine, askKeyOf(change) ?? device)
      return await detach(libvirt, machine, device, call)
    }
    case 'limit-disk': {
      const words = allLimitWords(change.limits)
      return await libvirt.setDiskLimits(machine, change.target, words, call)
    }
    case 'add-cpus':
      if (live.cpus >= change.count) return
      return await libvirt.setCpus(machine, change.count, call)
    case 'remove-cpus': {
      if (live.cpus <= change.count) return
      const key = askKeyOf(change) ?? 'cpus'
      const { deadlineMs } = call
      const removed = libvirt.setCpus(machine, change.count, { deadlineMs })
      const refused = (): void => asks.refuse(machine, key)
      asks.note(machine, key, removed.catch(refused))
      return
    }
    case 'request-memory': {
      const { memoryDevice } = live
      if (memoryDevice === undefined) return
      asks.note(machine, askKeyOf(change) ?? 'memory')
      const xml = memoryXml({ ...memoryDevice, requestedMiB: change.requestedMiB })
      return await libvirt.updateDevice(machine, xml, call)
    }
    case 'balloon':
      asks.note(machine, askKeyOf(change) ?? 'balloon')
      return await libvirt.setMemory(machine, change.memoryMiB, call)
    case 'mark':
      return await writeMark(libvirt, machine, change.mark, call)
  }
}

/** QEMU takes a second request for an error while the first one waits for the guest. */
const UNDER_WAY = /already in the process of unplug/i

async function detach(
  libvirt: LibvirtPort,
  machine: string,
  device: string,
  call: CallOptions,
): Promise<void> {
  try {
    await libvirt.detachDevice(machine, device, call)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError && UNDER_WAY.test(thrown.message))) throw thrown
  }
}

function withPort(
  machine: string,
  live: DomainReading,
  { port, tapDevice }: DomainMark['ports'][number],
): DomainMark {
  const mark = live.mark ?? { machine, specHash: '', form: FIRST_FORM, ports: [] }
  const others = mark.ports.filter((one) => one.tapDevice !== tapDevice)
  return { ...mark, ports: [...others, { port, tapDevice }] }
}

async function writeMark(
  libvirt: LibvirtPort,
  machine: string,
  mark: DomainMark,
  call: CallOptions,
): Promise<void> {
  const element = { namespace: MARK_NAMESPACE, prefix: MARK_PREFIX, xml: markXml(mark) }
  await libvirt.setMetadata(machine, element, call)
}
