import { PurlinError } from '@purlin/base'
import type { CallOptions, LibvirtPort } from '../port/libvirt-port.ts'
import { readMachine } from './observe.ts'
import type { ObservedMachine } from './types.ts'

/** Purlin's domain of that name. Errors: PUR_VIRT_NAME_TAKEN. */
export async function findOwn(
  libvirt: LibvirtPort,
  name: string,
  call: CallOptions,
): Promise<ObservedMachine | undefined> {
  try {
    const machine = readMachine(await libvirt.domain(name, call))
    if (machine !== undefined) return machine
  } catch (thrown) {
    if (thrown instanceof PurlinError && thrown.code === 'PUR_VIRT_NO_DOMAIN') return undefined
    throw thrown
  }
  throw new PurlinError('PUR_VIRT_NAME_TAKEN', {
    message: `machine ${name}: libvirt has a domain of that name which is not Purlin’s; rename one of the two`,
    context: { domain: name },
  })
}
