import { type IniSection, iniText } from '../quote/ini.ts'
import { isIpv6, type Link, type SystemFile } from './links.ts'

const FOLDER = '/etc/systemd/network'

/** The links as files of systemd-networkd (systemd.netdev(5), systemd.network(5)). NICs match by
 *  MAC and type, because a bond and a VLAN carry a member's MAC too. Pure. */
export function networkdFiles(links: readonly Link[]): readonly SystemFile[] {
  return links.flatMap((link) => [...netdevOf(link), ...membersOf(link), networkOf(link)])
}

function file(name: string, sections: readonly IniSection[]): SystemFile {
  return { path: `${FOLDER}/${name}`, mode: '0644', content: iniText(sections) }
}

function netdevOf({ name, on, mtu }: Link): readonly SystemFile[] {
  if (on.kind === 'nic') return []
  const head: IniSection = {
    name: 'NetDev',
    lines: [
      ['Name', name],
      ['Kind', on.kind],
      ['MTUBytes', mtu],
    ],
  }
  const body: IniSection =
    on.kind === 'vlan'
      ? { name: 'VLAN', lines: [['Id', on.id]] }
      : {
          name: 'Bond',
          lines: [
            ['Mode', on.bond.mode],
            ['MIIMonitorSec', `${on.bond.monitorMs}ms`],
            ['LACPTransmitRate', on.bond.lacpRate],
            ['TransmitHashPolicy', on.bond.transmitHash],
          ],
        }
  return [file(`10-purlin-${name}.netdev`, [head, body])]
}

function membersOf({ name, on, mtu }: Link): readonly SystemFile[] {
  if (on.kind !== 'bond') return []
  return on.bond.members.map(({ mac }, index) =>
    file(`20-purlin-${name}-${index}.network`, [
      matchMac(mac),
      ...(mtu === undefined ? [] : [{ name: 'Link', lines: [['MTUBytes', mtu]] } as IniSection]),
      { name: 'Network', lines: [['Bond', name]] },
    ]),
  )
}

function networkOf(link: Link): SystemFile {
  const { name, on, mtu } = link
  const match: IniSection =
    on.kind === 'nic' ? matchMac(on.mac) : { name: 'Match', lines: [['Name', name]] }
  const speaksIpv6 = link.dhcp || link.addresses.some(({ cidr }) => isIpv6(cidr))
  const gateways = link.addresses.flatMap(({ gateway }) => (gateway === undefined ? [] : [gateway]))
  return file(`30-purlin-${name}.network`, [
    match,
    ...(mtu !== undefined && on.kind === 'nic'
      ? [{ name: 'Link', lines: [['MTUBytes', mtu]] } as IniSection]
      : []),
    {
      name: 'Network',
      lines: [
        ['LinkLocalAddressing', speaksIpv6 ? 'ipv6' : 'no'],
        ['IPv6AcceptRA', link.dhcp ? 'yes' : 'no'],
        ['DHCP', link.dhcp ? 'yes' : undefined],
        ...link.vlans.map((vlan) => ['VLAN', vlan] as const),
        ...link.addresses.map(({ cidr }) => ['Address', cidr] as const),
        ...gateways.map((gateway) => ['Gateway', gateway] as const),
        ...link.dns.map((server) => ['DNS', server] as const),
        ['Domains', link.searchDomains.join(' ') || undefined],
      ],
    },
    ...link.routes.map(
      ({ to, via, metric }): IniSection => ({
        name: 'Route',
        lines: [
          ['Destination', to],
          ['Gateway', via],
          ['Metric', metric],
        ],
      }),
    ),
  ])
}

function matchMac(mac: string): IniSection {
  return {
    name: 'Match',
    lines: [
      ['MACAddress', mac],
      ['Type', 'ether'],
    ],
  }
}
