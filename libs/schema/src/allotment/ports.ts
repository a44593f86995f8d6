import {
  type AddressFamily,
  formatAddress,
  linkLocalOfMac,
  PurlinError,
  parseAddress,
  parseCidr,
  rangeHolds,
  shortHash,
} from '@purlin/base'
import type { PortSpec } from '../resources/port.ts'
import type { PortGroupSpec } from '../resources/port-group.ts'
import type { Subnet } from '../resources/subnet.ts'
import type { VirtualMachineNic, VirtualMachineSpec } from '../resources/virtual-machine.ts'

/** A machine as far as its ports go. */
export interface MachineNics {
  readonly name: string
  readonly spec: VirtualMachineSpec
}

/** What ports are given out from: what exists, and the port groups as they will be. */
export interface PortGrounds {
  readonly machines: readonly MachineNics[]
  readonly portGroups: ReadonlyMap<string, PortGroupSpec>
  readonly existing: ReadonlyMap<string, PortSpec>
}

const ZONE_LIMIT = 65_535

/** The ports that the machines' NICs need, by name. A port that exists keeps its identity; its
 *  addresses stay as long as its port group and its fixed addresses allow. New ones get the lowest
 *  free of each DHCP range, in the machines' order, and what they make themselves of each
 *  advertised prefix. Pure.
 *  Errors: PUR_ADDRESS_POOL_EMPTY, PUR_NIC_LIMIT, PUR_INVALID (a fixed address or MAC that cannot
 *  be). */
export function allotPorts(grounds: PortGrounds): ReadonlyMap<string, PortSpec> {
  const wanted = grounds.machines.flatMap((machine) =>
    machine.spec.nics.map((nic) => ({
      machine: machine.name,
      nic,
      name: `${machine.name}.${nic.name}`,
    })),
  )
  const kept = new Map<string, PortSpec>()
  for (const { name, nic } of wanted) {
    const port = grounds.existing.get(name)
    if (port && port.portGroup === nic.portGroup && fits(port, nic, grounds)) kept.set(name, port)
  }
  const standing = wanted.flatMap(({ name }) => grounds.existing.get(name) ?? [])
  const taken = new Taken(kept, standing)
  for (const { name, nic } of wanted) {
    if (!kept.has(name)) taken.reserve(nic, name, grounds.portGroups.get(nic.portGroup))
  }
  const ports = new Map<string, PortSpec>()
  for (const { name, nic, machine } of wanted) {
    const unchanged = kept.get(name)
    if (unchanged !== undefined) {
      ports.set(name, unchanged)
      continue
    }
    const group = grounds.portGroups.get(nic.portGroup)
    if (group === undefined) continue
    const before = grounds.existing.get(name)
    const identity = before ?? taken.identity(name)
    const mac = nic.mac ?? before?.mac ?? taken.newMac(name)
    ports.set(name, {
      virtualMachine: machine,
      nic: nic.name,
      portGroup: nic.portGroup,
      mac,
      ipv4: taken.addresses(nic, group, 'ipv4', mac),
      ipv6: taken.addresses(nic, group, 'ipv6', mac),
      deviceKey: identity.deviceKey,
      conntrackZone: identity.conntrackZone,
    })
  }
  return ports
}

/** Whether a standing port still is what its NIC and port group ask for. */
function fits(port: PortSpec, nic: VirtualMachineNic, grounds: PortGrounds): boolean {
  if (nic.mac !== undefined && nic.mac !== port.mac) return false
  const held = [...port.ipv4, ...port.ipv6]
  if (nic.addresses !== undefined) {
    const fixed = nic.addresses.map(canonical)
    return fixed.length === held.length && fixed.every((address) => held.includes(address))
  }
  const subnets = grounds.portGroups.get(nic.portGroup)?.subnets ?? []
  const made = subnets.flatMap((subnet) => autoconfigured(subnet, port.mac) ?? [])
  const ranged = subnets.filter((subnet) => subnet.dhcp !== undefined)
  return (
    held.length === ranged.length + made.length &&
    made.every((address) => held.includes(address)) &&
    ranged.every((subnet) => held.some((address) => inRange(address, subnet.dhcp)))
  )
}

/** What is given out already, in the run of one allotment. */
class Taken {
  readonly #zones = new Set<number>()
  readonly #keys = new Set<string>()
  readonly #macs = new Map<string, string>()
  readonly #addresses = new Map<string, string>()

  constructor(kept: ReadonlyMap<string, PortSpec>, standing: readonly PortSpec[]) {
    for (const port of standing) {
      this.#zones.add(port.conntrackZone)
      this.#keys.add(port.deviceKey)
    }
    for (const [name, port] of kept) {
      this.#macs.set(port.mac, name)
      for (const address of [...port.ipv4, ...port.ipv6]) {
        this.#addresses.set(`${port.portGroup} ${address}`, name)
      }
    }
  }

  /** Takes a NIC's fixed MAC and addresses before any are given out freely. */
  reserve(nic: VirtualMachineNic, name: string, group: PortGroupSpec | undefined): void {
    if (nic.mac !== undefined) {
      const holder = this.#macs.get(nic.mac)
      if (holder !== undefined) throw clash(name, `mac ${nic.mac}`, `is the MAC of ${holder}`)
      this.#macs.set(nic.mac, name)
    }
    for (const address of (nic.addresses ?? []).map(canonical)) {
      const parsed = parseAddress(address)
      const subnet = group?.subnets.find((one) => {
        const network = parseCidr(one.cidr)
        return parsed !== undefined && network !== undefined && rangeHolds(network, parsed)
      })
      if (subnet === undefined) {
        throw clash(name, `address ${address}`, `lies in no subnet of port group ${nic.portGroup}`)
      }
      if (subnet.gateway !== undefined && canonical(subnet.gateway) === address) {
        throw clash(name, `address ${address}`, `is the gateway of port group ${nic.portGroup}`)
      }
      const holder = this.#addresses.get(`${nic.portGroup} ${address}`)
      if (holder !== undefined) throw clash(name, `address ${address}`, `is held by ${holder}`)
      this.#addresses.set(`${nic.portGroup} ${address}`, name)
    }
  }

  identity(name: string): Pick<PortSpec, 'deviceKey' | 'conntrackZone'> {
    let conntrackZone = 1
    while (this.#zones.has(conntrackZone)) conntrackZone++
    if (conntrackZone > ZONE_LIMIT) {
      const message = `port ${name}: all ${ZONE_LIMIT} conntrack zones are given out; remove a NIC first`
      throw new PurlinError('PUR_NIC_LIMIT', { message })
    }
    this.#zones.add(conntrackZone)
    const deviceKey = firstFree((salt) => shortHash(`device ${name}${salt}`, 8), this.#keys)
    this.#keys.add(deviceKey)
    return { deviceKey, conntrackZone }
  }

  newMac(name: string): string {
    const mac = firstFree((salt) => {
      const digits = shortHash(`mac ${name}${salt}`, 6)
      return `52:54:00:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4, 6)}`
    }, this.#macs)
    this.#macs.set(mac, name)
    return mac
  }

  addresses(
    nic: VirtualMachineNic,
    group: PortGroupSpec,
    family: AddressFamily,
    mac: string,
  ): string[] {
    if (nic.addresses !== undefined) {
      return nic.addresses.map(canonical).filter((text) => parseAddress(text)?.family === family)
    }
    return group.subnets.flatMap((subnet) => {
      const made = family === 'ipv6' ? autoconfigured(subnet, mac) : undefined
      return [...this.#leased(nic, subnet, family), ...(made === undefined ? [] : [made])]
    })
  }

  #leased(nic: VirtualMachineNic, subnet: Subnet, family: AddressFamily): readonly string[] {
    const from = subnet.dhcp && parseAddress(subnet.dhcp.from)
    const to = subnet.dhcp && parseAddress(subnet.dhcp.to)
    if (!from || !to || from.family !== family) return []
    for (let value = from.value; value <= to.value; value++) {
      const address = formatAddress({ family, value })
      const key = `${nic.portGroup} ${address}`
      if (this.#addresses.has(key)) continue
      this.#addresses.set(key, nic.name)
      return [address]
    }
    const range = `${subnet.dhcp?.from} to ${subnet.dhcp?.to}`
    throw new PurlinError('PUR_ADDRESS_POOL_EMPTY', {
      message: `port group ${nic.portGroup}: no address is free in ${range}; widen the range or remove a NIC`,
      context: { portGroup: nic.portGroup, subnet: subnet.cidr },
    })
  }
}

function firstFree(make: (salt: string) => string, taken: { has(text: string): boolean }): string {
  for (let round = 0; ; round++) {
    const text = make(round === 0 ? '' : ` ${round}`)
    if (!taken.has(text)) return text
  }
}

/** The address that a machine makes of an advertised prefix and its MAC (RFC 4862, modified EUI-64
 *  of RFC 4291); undefined where the subnet has none made. */
function autoconfigured(subnet: Subnet, mac: string): string | undefined {
  const network = subnet.slaac === true ? parseCidr(subnet.cidr) : undefined
  if (network === undefined) return undefined
  const own = linkLocalOfMac(mac).value & ((1n << 64n) - 1n)
  return formatAddress({ family: 'ipv6', value: network.first | own })
}

function canonical(text: string): string {
  const parsed = parseAddress(text)
  return parsed === undefined ? text : formatAddress(parsed)
}

function inRange(text: string, dhcp: { from: string; to: string } | undefined): boolean {
  const [address, from, to] = [text, dhcp?.from ?? '', dhcp?.to ?? ''].map(parseAddress)
  if (!address || !from || !to || address.family !== from.family) return false
  return from.value <= address.value && address.value <= to.value
}

function clash(name: string, what: string, found: string): PurlinError {
  const problem = {
    path: `VirtualMachine ${name.replace('.', ' NIC ')}`,
    message: `${what} ${found}`,
  }
  return new PurlinError('PUR_INVALID', {
    message: `${problem.path}: ${problem.message}`,
    problems: [problem],
  })
}
