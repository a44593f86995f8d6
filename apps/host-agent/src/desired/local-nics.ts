import type { Manifest, VirtualMachineNic } from '@purlin/schema'
import type { Catalogue } from '../resources/catalogue.ts'

/** A machine's NIC with the port it was given. */
export interface LocalNic {
  readonly machine: Manifest<'VirtualMachine'>
  readonly nic: VirtualMachineNic
  readonly port: Manifest<'Port'>
}

/** Every NIC of every machine of this host, in the machines' order. Pure. */
export function localNics(catalogue: Catalogue): readonly LocalNic[] {
  return catalogue.list('VirtualMachine').flatMap(({ manifest: machine }) =>
    machine.spec.nics.flatMap((nic): LocalNic[] => {
      const port = catalogue.get('Port', `${machine.name}.${nic.name}`)?.manifest
      return port === undefined ? [] : [{ machine, nic, port }]
    }),
  )
}
