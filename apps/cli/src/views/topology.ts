import type { Kind, Resource } from '@purlin/schema'

/** A switch with everything that hangs on it, as it is drawn. */
export interface Topology {
  readonly name: string
  readonly words: readonly string[]
  readonly uplinks: readonly TopologyUplink[]
  readonly groups: readonly TopologyGroup[]
}

export interface TopologyUplink {
  readonly name: string
  /** A bond's mode and members, or the host that has it. */
  readonly words: readonly string[]
}

export interface TopologyGroup {
  readonly name: string
  readonly words: readonly string[]
  readonly ports: readonly TopologyPort[]
}

export interface TopologyPort {
  readonly name: string
  readonly words: readonly string[]
  readonly ready: boolean
}

type Of<K extends Kind> = Resource<K>

/** What of the resources belongs to the switch. Pure. */
export function topologyOf(
  { name, spec }: Of<'DistributedSwitch'>,
  portGroups: readonly Of<'PortGroup'>[],
  ports: readonly Of<'Port'>[],
): Topology {
  return {
    name,
    words: [`MTU ${spec.mtu}`, spec.transport],
    uplinks: [
      ...spec.uplinks.map((uplink) => uplinkOf(uplink, spec.bonds, [])),
      ...spec.hosts.flatMap(({ host, uplinks, bonds = spec.bonds, underlay }) => [
        ...(uplinks ?? []).map((uplink) => uplinkOf(uplink, bonds, [`on ${host}`])),
        ...(underlay === undefined ? [] : [{ name: underlay, words: [`tunnels of ${host}`] }]),
      ]),
    ],
    groups: portGroups
      .filter((group) => group.spec.switch === name)
      .map((group) => ({
        name: group.name,
        words: groupWords(group.spec),
        ports: ports
          .filter((port) => port.spec.portGroup === group.name)
          .map((port) => ({
            name: port.name,
            words: [...port.spec.ipv4, ...port.spec.ipv6],
            ready: port.status.conditions.some(
              ({ type, status }) => type === 'Ready' && status === 'true',
            ),
          })),
      })),
  }
}

/** What is said of a port group beside its name. Pure. */
export function groupWords(spec: Of<'PortGroup'>['spec']): readonly string[] {
  const { vlan, trunk, subnets, qos, isolated, ports, mirrors = [] } = spec
  return [
    vlan === 0 ? 'untagged' : `VLAN ${vlan}`,
    ...(trunk === undefined ? [] : [`trunk ${trunk.join(',')}`]),
    ...subnets.map(({ cidr }) => cidr),
    ...(qos?.inbound === undefined ? [] : [`in ${rateText(qos.inbound.kbitPerSecond * 1_000)}`]),
    ...(qos?.outbound === undefined ? [] : [`out ${rateText(qos.outbound.kbitPerSecond * 1_000)}`]),
    ...(isolated === true ? ['isolated'] : []),
    ...(ports === 'direct' ? ['direct'] : []),
    ...mirrors.map((mirror) => `mirrored: ${mirror.name}`),
  ]
}

/** A rate for people: `9.4 Mbit/s`. Pure. */
export function rateText(bitsPerSecond: number): string {
  const units = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']
  let rest = bitsPerSecond
  let unit = 0
  while (rest >= 1_000 && unit < units.length - 1) {
    rest /= 1_000
    unit++
  }
  const shown = rest >= 100 || Number.isInteger(rest) ? Math.round(rest) : Number(rest.toFixed(1))
  return `${shown} ${units[unit]}`
}

function uplinkOf(
  name: string,
  bonds: Of<'DistributedSwitch'>['spec']['bonds'],
  words: readonly string[],
): TopologyUplink {
  const bond = bonds.find((one) => one.name === name)
  const made = bond === undefined ? [] : [`${bond.mode}: ${bond.members.join(', ')}`]
  return { name, words: [...made, ...words] }
}
