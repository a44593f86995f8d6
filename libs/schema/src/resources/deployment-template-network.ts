import { parseAddress, parseCidr, rangeHolds } from '@purlin/base'

interface TemplateNetwork {
  readonly nics: readonly { readonly name: string; readonly mac: string }[]
  readonly bonds: readonly {
    readonly name: string
    readonly mode: string
    readonly members: readonly { readonly mac: string }[]
    readonly lacpRate?: string | undefined
    readonly transmitHash?: string | undefined
  }[]
  readonly vlans: readonly {
    readonly name?: string | undefined
    readonly parent: string
    readonly id: number
  }[]
  readonly addresses: readonly {
    readonly interface: string
    readonly cidr?: string | undefined
    readonly dhcp?: boolean | undefined
    readonly gateway?: string | undefined
  }[]
  readonly routes: readonly {
    readonly interface: string
    readonly to: string
    readonly via: string
  }[]
}

type Path = readonly (string | number)[]
type Tell = (path: Path, message: string) => void

/** The name of a VLAN interface: its own, or PARENT.ID. */
export function vlanName(vlan: TemplateNetwork['vlans'][number]): string {
  return vlan.name ?? `${vlan.parent}.${vlan.id}`
}

/** What of a template's network contradicts itself; each finding goes to `tell` with its path. */
export function checkTemplateNetwork(network: TemplateNetwork, tell: Tell): void {
  const { nics, bonds, vlans } = network
  const named: readonly { readonly name: string; readonly path: Path }[] = [
    ...nics.map(({ name }, index) => ({ name, path: ['network', 'nics', index, 'name'] })),
    ...bonds.map(({ name }, index) => ({ name, path: ['network', 'bonds', index, 'name'] })),
    ...vlans.map((vlan, index) => ({
      name: vlanName(vlan),
      path: ['network', 'vlans', index, 'name'],
    })),
  ]
  named.forEach(({ name, path }, index) => {
    if (named.findIndex((other) => other.name === name) < index) {
      tell(path, `there is an interface ${name} already`)
    }
    if (name.length > 15) tell(path, `${name} is longer than the kernel’s 15 characters; name it`)
  })
  checkMacs(network, tell)
  bonds.forEach(({ mode, lacpRate, transmitHash }, index) => {
    if (lacpRate !== undefined && mode !== '802.3ad') {
      tell(['network', 'bonds', index, 'lacpRate'], `${mode} speaks no LACP`)
    }
    if (transmitHash !== undefined && mode === 'active-backup') {
      tell(['network', 'bonds', index, 'transmitHash'], `${mode} sends on one member at a time`)
    }
  })
  const below = new Set([...nics, ...bonds].map(({ name }) => name))
  vlans.forEach(({ parent }, index) => {
    if (!below.has(parent)) {
      tell(['network', 'vlans', index, 'parent'], `there is no NIC or bond named ${parent}`)
    }
  })
  checkAddresses(network, new Set(named.map(({ name }) => name)), tell)
}

function checkMacs({ nics, bonds }: TemplateNetwork, tell: Tell): void {
  const seen = new Set<string>()
  const check = (mac: string, path: Path): void => {
    if (seen.has(mac)) tell(path, `${mac} is used already; a NIC has one use`)
    seen.add(mac)
  }
  nics.forEach(({ mac }, index) => void check(mac, ['network', 'nics', index, 'mac']))
  bonds.forEach(({ members }, index) => {
    members.forEach(({ mac }, position) => {
      check(mac, ['network', 'bonds', index, 'members', position, 'mac'])
    })
  })
}

function checkAddresses(network: TemplateNetwork, names: Set<string>, tell: Tell): void {
  network.addresses.forEach((address, index) => {
    const path = ['network', 'addresses', index]
    if (!names.has(address.interface)) {
      tell([...path, 'interface'], `there is no NIC, bond or VLAN named ${address.interface}`)
    }
    if ((address.cidr === undefined) === (address.dhcp !== true)) {
      tell(path, 'must have exactly one of cidr and dhcp: true')
    }
    if (address.gateway !== undefined) checkGateway(address.gateway, address.cidr, path, tell)
  })
  network.routes.forEach((route, index) => {
    const path = ['network', 'routes', index]
    if (!names.has(route.interface)) {
      tell([...path, 'interface'], `there is no NIC, bond or VLAN named ${route.interface}`)
    }
    if (parseCidr(route.to)?.family !== parseAddress(route.via)?.family) {
      tell([...path, 'via'], `${route.via} is not of the family of ${route.to}`)
    }
  })
}

function checkGateway(gateway: string, cidr: string | undefined, path: Path, tell: Tell): void {
  const range = cidr === undefined ? undefined : parseCidr(cidr)
  const address = parseAddress(gateway)
  if (range === undefined || address === undefined) {
    tell([...path, 'gateway'], 'only a fixed address has a gateway; DHCP brings its own')
    return
  }
  const linkLocal = address.family === 'ipv6' && address.value >> 118n === 0x3fan
  if (range.family !== address.family || !(linkLocal || rangeHolds(range, address))) {
    tell([...path, 'gateway'], `${gateway} is not on the network of ${cidr}`)
  }
}
