import { XMLParser } from 'fast-xml-parser'

const parser = new XMLParser({
  attributeNamePrefix: '@',
  ignoreAttributes: false,
  parseAttributeValue: false,
  isArray: (name, path) => ['hostdev', 'interface'].includes(name) && String(path).endsWith(name),
})

interface Source {
  readonly address?: Readonly<Record<string, string>>
}

/** The PCI devices of the host that a domain's XML gives to it, as `0000:3b:02.1`: host devices,
 *  and NICs that are one. Pure; what is no domain has none. */
export function hostDevicesOf(xml: string): readonly string[] {
  // Most domains have none, and are not parsed for it.
  if (!xml.includes('hostdev')) return []
  let parsed: { domain?: { devices?: Record<string, readonly Record<string, unknown>[]> } }
  try {
    parsed = parser.parse(xml)
  } catch {
    return []
  }
  const { hostdev = [], interface: nics = [] } = parsed.domain?.devices ?? {}
  const given = [
    ...hostdev.filter((device) => device['@type'] === 'pci'),
    ...nics.filter((nic) => nic['@type'] === 'hostdev'),
  ]
  return given.flatMap(({ source }) => addressOf((source as Source | undefined)?.address))
}

/** libvirt writes the parts of an address each as a number of its own, such as `0x3b`. */
function addressOf(address: Source['address']): readonly string[] {
  if (address === undefined) return []
  const part = (name: string, digits: number): string =>
    Number(address[`@${name}`] ?? 0)
      .toString(16)
      .padStart(digits, '0')
  const [domain, bus, slot] = [part('domain', 4), part('bus', 2), part('slot', 2)]
  return [`${domain}:${bus}:${slot}.${part('function', 1)}`]
}
