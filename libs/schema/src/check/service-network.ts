import type { Problem } from '@purlin/base'
import { vlanName } from '../resources/deployment-template-network.ts'
import type { SpecOf } from '../resources/kinds.ts'

type Template = SpecOf<'DeploymentTemplate'>
type Service = SpecOf<'BareMetalInstance'>['service']

/** A template with an instance's service networks in it, or why they cannot be. Paths are of the
 *  instance. */
export interface ServedTemplate {
  readonly spec: Template
  readonly problems: readonly Problem[]
}

/** Puts the service networks of an instance into its template's network: each port group's access
 *  VLAN becomes a VLAN interface with its address; an untagged port group (VLAN 0) is the interface
 *  itself. A VLAN that the template has already is used. Pure. Shape: `portGroup` gives the spec of
 *  a port group by its name. */
export function withServiceNetworks(
  spec: Template,
  service: Service,
  portGroup: (name: string) => SpecOf<'PortGroup'> | undefined,
): ServedTemplate {
  const problems: Problem[] = []
  const vlans = [...spec.network.vlans]
  const addresses = [...spec.network.addresses]
  const carriers = new Set([...spec.network.nics, ...spec.network.bonds].map(({ name }) => name))
  service.forEach((one, index) => {
    const path = `spec.service[${index}]`
    const tell = (field: string, message: string): void => {
      problems.push({ path: `${path}${field}`, message })
    }
    const group = portGroup(one.portGroup)
    if (group === undefined) {
      tell('.portGroup', `no PortGroup named ${one.portGroup}`)
      return
    }
    if (!carriers.has(one.interface)) {
      tell('.interface', `the template has no NIC or bond named ${one.interface}`)
      return
    }
    const name = interfaceOf(vlans, one.interface, group.vlan)
    if (name.length > 15) {
      tell('.interface', `${name} is longer than the kernel’s 15 characters; name it in vlans`)
      return
    }
    if (group.vlan > 0 && !vlans.some((vlan) => vlanName(vlan) === name)) {
      vlans.push({ parent: one.interface, id: group.vlan })
    }
    const { cidr, dhcp, gateway } = one
    if (cidr !== undefined && dhcp === true) {
      tell('', 'must have cidr or dhcp: true, not both')
    } else if (gateway !== undefined && cidr === undefined) {
      tell('.gateway', 'only a fixed address has a gateway')
    } else if (cidr !== undefined || dhcp === true) {
      addresses.push({
        interface: name,
        ...(cidr !== undefined && { cidr }),
        ...(dhcp === true && { dhcp }),
        ...(gateway !== undefined && { gateway }),
      })
    }
  })
  return { spec: { ...spec, network: { ...spec.network, vlans, addresses } }, problems }
}

/** The template's own VLAN interface where it has that VLAN, else the name of a new one. */
function interfaceOf(vlans: Template['network']['vlans'], parent: string, id: number): string {
  if (id === 0) return parent
  const there = vlans.find((vlan) => vlan.parent === parent && vlan.id === id)
  return vlanName(there ?? { parent, id })
}
