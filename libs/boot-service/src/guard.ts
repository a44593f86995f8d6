import { readFile } from 'node:fs/promises'
import type { Clock } from '@purlin/base'
import { type Refusal, refusal } from './desk.ts'
import { macOfLease } from './dhcp/leases.ts'
import type { BootHost } from './service.ts'

const LEASE_TRIES = 3
const LEASE_PAUSE_MS = 50

/** What is known of the machines of the network at a time. */
export interface KnownMachines {
  host(mac: string): BootHost | undefined
  hostAt(address: string): BootHost | undefined
  enrolOpen(): boolean
}

export interface GuardOptions {
  readonly machines: KnownMachines
  readonly interface: string
  readonly leaseFile: string
  readonly clock: Clock
  /** The seam to the kernel's neighbours: the text of /proc/net/arp. */
  readonly readNeighbours?: () => Promise<string>
}

/** A machine that is who it says, as far as the network tells. */
export interface Recognised {
  readonly ok: true
  readonly host: BootHost | undefined
}

/** Checks who asks: the address must be the one reserved for the MAC, or leased to it while the
 *  enrol window is open, and the kernel must not know another MAC at it. */
export class Guard {
  readonly #options: GuardOptions

  constructor(options: GuardOptions) {
    this.#options = options
  }

  /** Whether the machine with this MAC asks from this address. */
  async recognise(mac: string, address: string): Promise<Recognised | Refusal> {
    const { machines, leaseFile, clock } = this.#options
    const host = machines.host(mac)
    if (host === undefined) {
      if (!machines.enrolOpen()) return refusal(403, `${mac} is not known here`)
      if (!(await this.#isLeased(mac, address, leaseFile, clock))) {
        return refusal(403, `${address} is not leased to ${mac}`)
      }
    } else if (host.address !== address) {
      return refusal(403, `the address of ${mac} is ${host.address}, not ${address}`)
    }
    const seen = await this.#neighbour(address)
    if (seen !== undefined && seen !== mac) return refusal(403, `${address} is not ${mac}`)
    return { ok: true, host }
  }

  /** Whether the machine at an address that is reserved is another one than the reserved. */
  async isImpostor(address: string): Promise<boolean> {
    const mac = this.#options.machines.hostAt(address)?.mac
    if (mac === undefined) return false
    const seen = await this.#neighbour(address)
    return seen !== undefined && seen !== mac
  }

  /** dnsmasq writes its leases in place, so a look may come upon half a file. */
  async #isLeased(mac: string, address: string, file: string, clock: Clock): Promise<boolean> {
    for (let tries = 0; tries < LEASE_TRIES; tries++) {
      if (tries > 0) await clock.sleep(LEASE_PAUSE_MS)
      if ((await macOfLease(file, address, clock.nowMs())) === mac) return true
    }
    return false
  }

  /** The MAC that the kernel has at an address of the interface; undefined: it knows none. */
  async #neighbour(address: string): Promise<string | undefined> {
    const read = this.#options.readNeighbours ?? (() => readFile('/proc/net/arp', 'utf8'))
    return neighbourOf(await read().catch(() => ''), address, this.#options.interface)
  }
}

/** Reads /proc/net/arp: `ADDRESS TYPE FLAGS MAC MASK DEVICE`. An entry without its flag of being
 *  complete has no MAC. Source: proc(5). Pure. */
export function neighbourOf(text: string, address: string, device: string): string | undefined {
  for (const line of text.split('\n')) {
    const [found, , flags = '0', mac, , on] = line.trim().split(/\s+/)
    if (found !== address || on !== device) continue
    return (Number(flags) & 2) === 0 ? undefined : mac?.toLowerCase()
  }
  return undefined
}
