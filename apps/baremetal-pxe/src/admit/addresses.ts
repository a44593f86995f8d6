import { formatAddress, type Problem, parseAddress } from '@purlin/base'
import type { Manifest } from '@purlin/schema'

/** The address that a chassis has on its deployment network; kept for as long as it is in it. */
export interface AllottedAddress {
  readonly network: string
  readonly address: string
}

export interface AllotmentGrounds {
  readonly networks: readonly Extract<Manifest, { kind: 'DeploymentNetwork' }>[]
  readonly chassis: readonly Extract<Manifest, { kind: 'Chassis' }>[]
  /** By chassis. */
  readonly standing: ReadonlyMap<string, AllottedAddress>
  /** Addresses of this host, which no chassis gets. */
  readonly own: readonly string[]
}

/** An allotment, or the chassis for which there is no address. */
export interface Allotment {
  readonly addresses: ReadonlyMap<string, AllottedAddress>
  readonly problems: readonly (Problem & { readonly chassis: string })[]
}

/** A range of a million addresses is looked through no further. */
const LOOKED_AT = 1_048_576

/** Gives each chassis an address of its network: the one that it has, the one that it names, or the
 *  lowest that is free. What one has nobody takes from it. Pure. */
export function allotAddresses(grounds: AllotmentGrounds): Allotment {
  const addresses = new Map<string, AllottedAddress>()
  const problems: (Problem & { chassis: string })[] = []
  const taken = new Map<string, Set<string>>()
  for (const { name, spec } of grounds.networks) {
    const { gateway } = spec.subnet
    taken.set(name, new Set([...grounds.own, ...(gateway === undefined ? [] : [gateway])]))
  }
  const give = (chassis: string, network: string, address: string): boolean => {
    const used = taken.get(network)
    if (used === undefined || used.has(address)) return false
    used.add(address)
    addresses.set(chassis, { network, address })
    return true
  }
  const moving = grounds.chassis.filter(({ name, spec }) => {
    const standing = grounds.standing.get(name)
    if (standing?.network !== spec.network) return true
    if (spec.address !== undefined && spec.address !== standing.address) return true
    const network = grounds.networks.find((one) => one.name === spec.network)
    if (spec.address === undefined && !inRange(network, standing.address)) return true
    return !give(name, spec.network, standing.address)
  })
  const without = moving.filter(({ name, spec }) => {
    if (spec.address === undefined) return true
    if (!give(name, spec.network, spec.address)) {
      const message = `${spec.address} is this host’s, the gateway’s, or another chassis’; name another`
      problems.push({ chassis: name, path: 'spec.address', message })
    }
    return false
  })
  for (const { name, spec } of without) {
    const network = grounds.networks.find((one) => one.name === spec.network)
    // A reference to no network is told elsewhere.
    if (network === undefined) continue
    const free = freeAddress(network, taken.get(network.name) ?? new Set())
    if (free !== undefined && give(name, spec.network, free)) continue
    const { from, to } = network.spec.subnet
    const message = `DeploymentNetwork ${network.name} has no free address from ${from} to ${to}; widen its range`
    problems.push({ chassis: name, path: 'spec.network', message })
  }
  return { addresses, problems }
}

function inRange(
  network: AllotmentGrounds['networks'][number] | undefined,
  address: string,
): boolean {
  const [from, to, at] = [network?.spec.subnet.from, network?.spec.subnet.to, address].map((text) =>
    parseAddress(text ?? ''),
  )
  if (from === undefined || to === undefined || at === undefined) return false
  return from.family === at.family && from.value <= at.value && at.value <= to.value
}

function freeAddress(
  { spec }: AllotmentGrounds['networks'][number],
  taken: ReadonlySet<string>,
): string | undefined {
  const from = parseAddress(spec.subnet.from)
  const to = parseAddress(spec.subnet.to)
  if (from === undefined || to === undefined) return undefined
  const last = BigInt(LOOKED_AT) + from.value
  for (let value = from.value; value <= to.value && value < last; value++) {
    const address = formatAddress({ family: from.family, value })
    if (!taken.has(address)) return address
  }
  return undefined
}
