import { type Cidr, type Problem, parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import { deploymentTemplateSpec } from '../resources/deployment-template.ts'
import type { Manifest } from '../resources/kinds.ts'
import { problemsOfIssue } from './document.ts'
import { withServiceNetworks } from './service-network.ts'

/** What is wrong with a document among the others. */
export interface FoundProblem extends Problem {
  readonly kind: Manifest['kind']
  readonly name: string
}

type Tell = (manifest: Manifest, path: string, message: string) => void
type Of<K extends Manifest['kind']> = Extract<Manifest, { kind: K }>

/** What of a deployment network's resources contradicts each other: addresses outside their
 *  network, networks that overlap, a MAC, a BMC or a chassis with two owners, service networks that
 *  their template cannot carry. Pure, O(n log n). Shape: all documents as they will stand. */
export function checkBareMetal(manifests: readonly Manifest[]): readonly FoundProblem[] {
  const found: FoundProblem[] = []
  const tell: Tell = ({ kind, name }, path, message) => found.push({ kind, name, path, message })
  const all = <K extends Manifest['kind']>(kind: K): readonly Of<K>[] =>
    manifests.filter((one): one is Of<K> => one.kind === kind)
  const networks = all('DeploymentNetwork')
  const others = [...all('ManagementNetwork'), ...all('IpmiNetwork')]
  checkNetworks(networks, others, tell)
  checkChassis(all('Chassis'), networks, all('IpmiNetwork'), tell)
  checkInstances(all('BareMetalInstance'), manifests, tell)
  return found
}

function checkNetworks(
  networks: readonly Of<'DeploymentNetwork'>[],
  others: readonly (Of<'ManagementNetwork'> | Of<'IpmiNetwork'>)[],
  tell: Tell,
): void {
  const taken = [
    ...networks.map((one) => ({
      one,
      cidr: one.spec.subnet.cidr,
      interface: one.spec.interface as string | undefined,
    })),
    ...others.map((one) => ({ one, cidr: one.spec.cidr, interface: one.spec.interface })),
  ]
  for (const network of networks) {
    const { interface: nic, subnet } = network.spec
    for (const other of taken.slice(taken.findIndex(({ one }) => one === network) + 1)) {
      const named = `${other.one.kind} ${other.one.name}`
      if (overlap(parseCidr(subnet.cidr), parseCidr(other.cidr))) {
        tell(network, 'spec.subnet.cidr', `${subnet.cidr} overlaps with ${other.cidr} of ${named}`)
      }
      if (other.interface === nic) {
        const why = 'DHCP and network boot are answered there'
        tell(network, 'spec.interface', `${nic} is the interface of ${named}; ${why}`)
      }
    }
  }
}

function overlap(a: Cidr | undefined, b: Cidr | undefined): boolean {
  return !!a && !!b && a.family === b.family && a.first <= b.last && b.first <= a.last
}

function checkChassis(
  chassis: readonly Of<'Chassis'>[],
  networks: readonly Of<'DeploymentNetwork'>[],
  bmcNetworks: readonly Of<'IpmiNetwork'>[],
  tell: Tell,
): void {
  const owners = new Map<string, string>()
  const own = (one: Of<'Chassis'>, path: string, what: string, key: string): void => {
    const owner = owners.get(key)
    if (owner === undefined) owners.set(key, one.name)
    else tell(one, path, `${what} is of chassis ${owner} already`)
  }
  for (const one of chassis) {
    const { bmc, bootMac, address } = one.spec
    own(one, 'spec.bootMac', bootMac, `mac ${bootMac}`)
    const place = `${bmc.address}${bmc.port === undefined ? '' : ` port ${bmc.port}`}`
    own(one, 'spec.bmc.address', `the BMC at ${place}`, `bmc ${place} ${bmc.systemId ?? ''}`)
    const within = bmcNetworks.find(({ name }) => name === bmc.network)
    if (within && !holds(within.spec.cidr, bmc.address)) {
      const where = `IpmiNetwork ${within.name} (${within.spec.cidr})`
      tell(one, 'spec.bmc.address', `${bmc.address} is no address of ${where}`)
    }
    if (address === undefined) continue
    own(one, 'spec.address', address, `address ${one.spec.network} ${address}`)
    const network = networks.find(({ name }) => name === one.spec.network)
    if (network && !holds(network.spec.subnet.cidr, address)) {
      const where = `DeploymentNetwork ${network.name} (${network.spec.subnet.cidr})`
      tell(one, 'spec.address', `${address} is no address of ${where}`)
    } else if (network?.spec.subnet.gateway === address) {
      tell(one, 'spec.address', `${address} is the gateway of ${network.name}`)
    }
  }
}

function holds(cidr: string, address: string): boolean {
  const range = parseCidr(cidr)
  const parsed = parseAddress(address)
  return range !== undefined && parsed !== undefined && rangeHolds(range, parsed)
}

function checkInstances(
  instances: readonly Of<'BareMetalInstance'>[],
  manifests: readonly Manifest[],
  tell: Tell,
): void {
  const owners = new Map<string, string>()
  const templates = byName(manifests, 'DeploymentTemplate')
  const groups = byName(manifests, 'PortGroup')
  for (const one of instances) {
    const owner = owners.get(one.spec.chassis)
    if (owner !== undefined) {
      tell(one, 'spec.chassis', `${one.spec.chassis} is the chassis of instance ${owner} already`)
    }
    owners.set(one.spec.chassis, one.name)
    const template = templates.get(one.spec.template)
    if (template === undefined || one.spec.service.length === 0) continue
    const served = withServiceNetworks(
      template.spec,
      one.spec.service,
      (name) => groups.get(name)?.spec,
    )
    for (const { path, message } of served.problems) tell(one, path, message)
    if (served.problems.length > 0) continue
    const checked = deploymentTemplateSpec.safeParse(served.spec)
    const issues = checked.success ? [] : checked.error.issues
    for (const { path, message } of issues.flatMap((issue) => problemsOfIssue(issue, []))) {
      tell(one, 'spec.service', `with it, ${path} of the template ${message}`)
    }
  }
}

function byName<K extends Manifest['kind']>(
  manifests: readonly Manifest[],
  kind: K,
): ReadonlyMap<string, Of<K>> {
  const ofKind = manifests.filter((one): one is Of<K> => one.kind === kind)
  return new Map(ofKind.map((one) => [one.name, one]))
}
