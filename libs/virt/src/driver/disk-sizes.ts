import { PurlinError, toPurlinError } from '@purlin/base'
import type { CallOptions, LibvirtPort } from '../port/libvirt-port.ts'
import type { ObservedMachine } from './types.ts'

/** How many bytes running guests see of each of their disks on volumes, by machine and target. */
export type DiskSizes = ReadonlyMap<string, ReadonlyMap<string, number>>

/** Reads them. A machine that goes meanwhile is left out: the next look says so. Errors: those of
 *  LibvirtPort where libvirt itself is away. */
export async function readDiskSizes(
  libvirt: LibvirtPort,
  machines: readonly ObservedMachine[],
  call: CallOptions,
): Promise<DiskSizes> {
  const sizes = new Map<string, ReadonlyMap<string, number>>()
  for (const { name, live } of machines) {
    const targets = (live?.disks ?? []).filter(({ volume }) => volume !== '')
    if (targets.length === 0) continue
    try {
      const read = new Map<string, number>()
      for (const { target } of targets) {
        read.set(target, await libvirt.diskBytes(name, target, call))
      }
      sizes.set(name, read)
    } catch (thrown) {
      const { code } = toPurlinError(thrown)
      if (code === 'PUR_VIRT_UNREACHABLE' || code === 'PUR_VIRT_TIMEOUT') throw thrown
      if (code === 'PUR_CANCELLED') throw thrown
    }
  }
  return sizes
}

/** Tells the guest of a volume's new size. QEMU learns it when it connects again, which it does
 *  with the guest's next request. Errors: PUR_VIRT_DISK_SIZE until then. */
export async function growDisk(
  libvirt: LibvirtPort,
  machine: string,
  { target, sizeBytes }: { readonly target: string; readonly sizeBytes: number },
  call: CallOptions,
): Promise<void> {
  try {
    await libvirt.resizeDisk(machine, target, sizeBytes, call)
  } catch (thrown) {
    const { code, message } = toPurlinError(thrown)
    if (code !== 'PUR_VIRT_FAILED') throw thrown
    throw new PurlinError('PUR_VIRT_DISK_SIZE', {
      message: `machine ${machine} sees the new size of its disk ${target} after its next request to it: ${message}`,
      cause: thrown,
    })
  }
}
