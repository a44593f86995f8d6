import { createHash } from 'node:crypto'
import { type IniSection, iniText } from '../quote/ini.ts'
import { isIpv6, type Link, type SystemFile } from './links.ts'

const FOLDER = '/etc/NetworkManager/system-connections'

/** The links as NetworkManager keyfiles (nm-settings-keyfile(5)). A bond's members and a VLAN's
 *  parent are named by the UUID of their connection, so no kernel's name is in any file. The older
 *  keys `master` and `slave-type` are read by every version in use. Pure. */
export function networkManagerFiles(links: readonly Link[]): readonly SystemFile[] {
  return links.flatMap((link) => [mainFile(link), ...memberFiles(link)])
}

function file(id: string, sections: readonly IniSection[]): SystemFile {
  // NetworkManager leaves a file alone that others could read.
  return { path: `${FOLDER}/${id}.nmconnection`, mode: '0600', content: iniText(sections) }
}

function mainFile(link: Link): SystemFile {
  const { name, on, mtu } = link
  const id = `purlin-${name}`
  return file(id, [
    {
      name: 'connection',
      lines: [
        ['id', id],
        ['uuid', connectionUuid(name)],
        ['type', on.kind === 'nic' ? 'ethernet' : on.kind],
        ['interface-name', on.kind === 'nic' ? undefined : name],
        ['autoconnect', 'true'],
      ],
    },
    ...ethernetOf(on.kind === 'nic' ? on.mac : undefined, mtu),
    ...kindOf(link),
    ipSection(link, 'ipv4'),
    ipSection(link, 'ipv6'),
  ])
}

function kindOf({ on }: Link): readonly IniSection[] {
  if (on.kind === 'nic') return []
  if (on.kind === 'vlan') {
    return [
      {
        name: 'vlan',
        lines: [
          ['flags', 1],
          ['id', on.id],
          ['parent', connectionUuid(on.parent)],
        ],
      },
    ]
  }
  return [
    {
      name: 'bond',
      lines: [
        ['mode', on.bond.mode],
        ['miimon', on.bond.monitorMs],
        ['lacp_rate', on.bond.lacpRate],
        ['xmit_hash_policy', on.bond.transmitHash],
      ],
    },
  ]
}

function memberFiles({ name, on, mtu }: Link): readonly SystemFile[] {
  if (on.kind !== 'bond') return []
  return on.bond.members.map(({ mac }, index) => {
    const id = `purlin-${name}-${index}`
    return file(id, [
      {
        name: 'connection',
        lines: [
          ['id', id],
          ['uuid', connectionUuid(`${name}-${index}`)],
          ['type', 'ethernet'],
          ['autoconnect', 'true'],
          ['master', connectionUuid(name)],
          ['slave-type', 'bond'],
        ],
      },
      ...ethernetOf(mac, mtu),
    ])
  })
}

function ethernetOf(mac: string | undefined, mtu: number | undefined): readonly IniSection[] {
  if (mac === undefined && mtu === undefined) return []
  return [
    {
      name: 'ethernet',
      lines: [
        ['mac-address', mac?.toUpperCase()],
        ['mtu', mtu],
      ],
    },
  ]
}

function ipSection(link: Link, family: 'ipv4' | 'ipv6'): IniSection {
  const ofFamily = (text: string): boolean => isIpv6(text) === (family === 'ipv6')
  const addresses = link.addresses.filter(({ cidr }) => ofFamily(cidr))
  const routes = link.routes.filter(({ to }) => ofFamily(to))
  const dns = link.dns.filter(ofFamily)
  const fixed = addresses.length > 0 ? 'manual' : 'disabled'
  const spoken = link.dhcp || addresses.length > 0
  return {
    name: family,
    lines: [
      ['method', link.dhcp ? 'auto' : fixed],
      ...addresses.map(({ cidr, gateway }, index) => {
        const value = gateway === undefined ? cidr : `${cidr},${gateway}`
        return [`address${index + 1}`, value] as const
      }),
      ...routes.map(({ to, via, metric }, index) => {
        const value = [to, via, ...(metric === undefined ? [] : [metric])].join(',')
        return [`route${index + 1}`, value] as const
      }),
      ['dns', spoken && dns.length > 0 ? `${dns.join(';')};` : undefined],
      [
        'dns-search',
        spoken && link.searchDomains.length > 0 ? `${link.searchDomains.join(';')};` : undefined,
      ],
    ],
  }
}

/** The same name gives the same UUID on every machine (RFC 9562, version 5, with a namespace of our
 *  own), so a second run of the post step writes the same files. */
function connectionUuid(name: string): string {
  const digest = createHash('sha1').update(`purlin deployment template\0${name}`).digest('hex')
  const variant = ((Number.parseInt(digest.slice(16, 17), 16) & 0x3) | 0x8).toString(16)
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `5${digest.slice(13, 16)}`,
    `${variant}${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join('-')
}
