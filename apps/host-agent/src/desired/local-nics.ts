import { type Manifest, nicWithDefaults, type VirtualMachineNic } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'

/** A machine's NIC with the port it was given. */
export interface LocalNic {
  readonly machine: Manifest<'VirtualMachine'>
  readonly nic: VirtualMachineNic
  readonly port: Manifest<'Port'>
}

/** Whether a machine runs on the host; without one, anywhere. A machine that names no host is of a
 *  host that is alone. Pure. */
export function runsOn(machine: Manifest<'VirtualMachine'>, host: string | undefined): boolean {
  return host === undefined || machine.spec.host === undefined || machine.spec.host === host
}

/** Whether a port should stand on the host: its machine runs there, or is about to come. Pure. */
export function standsOn({ machine, port }: LocalNic, host: string | undefined): boolean {
  return runsOn(machine, host) || arrivesAt(port, host)
}

/** Whether the machine of a port is about to come to the host. Pure. */
export function arrivesAt(port: Manifest<'Port'>, host: string | undefined): boolean {
  return host !== undefined && port.spec.move?.to === host
}

/** Every NIC of every machine of the fleet, in the machines' order. Pure. */
export function everyNic(catalogue: Catalogue): readonly LocalNic[] {
  return catalogue.list('VirtualMachine').flatMap(({ manifest: machine }) =>
    machine.spec.nics.flatMap((nic): LocalNic[] => {
      const port = catalogue.get('Port', `${machine.name}.${nic.name}`)?.manifest
      const group = catalogue.get('PortGroup', nic.portGroup)?.manifest.spec
      return port === undefined ? [] : [{ machine, nic: nicWithDefaults(nic, group), port }]
    }),
  )
}
