import type { KnownMachines } from './guard.ts'
import type { BootHost } from './service.ts'

/** The machines that the service was told of, by what they are looked up by. */
export class Machines implements KnownMachines {
  #byMac: ReadonlyMap<string, BootHost> = new Map()
  #byAddress: ReadonlyMap<string, BootHost> = new Map()
  #enrolOpen = false

  replace(hosts: readonly BootHost[]): void {
    this.#byMac = new Map(hosts.map((host) => [host.mac, host]))
    this.#byAddress = new Map(hosts.map((host) => [host.address, host]))
  }

  setEnrol(open: boolean): void {
    this.#enrolOpen = open
  }

  all(): readonly BootHost[] {
    return [...this.#byMac.values()]
  }

  host(mac: string): BootHost | undefined {
    return this.#byMac.get(mac)
  }

  hostAt(address: string): BootHost | undefined {
    return this.#byAddress.get(address)
  }

  enrolOpen(): boolean {
    return this.#enrolOpen
  }
}
