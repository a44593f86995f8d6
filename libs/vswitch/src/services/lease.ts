import { parseAddress } from '@purlin/base'

/** A lease as dnsmasq's lease file tells it. */
export type Lease =
  | {
      readonly family: 'ipv4'
      readonly address: string
      readonly mac: string
      /** Hexadecimal; empty where the client sent none. */
      readonly clientIdentifier: string
    }
  | {
      readonly family: 'ipv6'
      readonly address: string
      /** Identity association, RFC 8415 section 12. */
      readonly association: number
      readonly clientIdentifier: string
    }

export interface LeaseFile {
  readonly leases: readonly Lease[]
  /** DUID of the server, hexadecimal; empty where it has none yet. */
  readonly serverIdentifier: string
}

/** Reads dnsmasq's lease file: `EXPIRY MAC ADDRESS NAME CLIENT-ID`, then `duid ID`, then
 *  `EXPIRY IAID ADDRESS NAME DUID`. Lines of other kinds are left out. */
export function parseLeases(text: string): LeaseFile {
  const leases: Lease[] = []
  let serverIdentifier = ''
  for (const line of text.split('\n')) {
    const [first = '', owner = '', address = '', , client = ''] = line.split(' ')
    if (first === 'duid') serverIdentifier = hex(owner)
    const family = parseAddress(address)?.family
    if (family === 'ipv4') {
      leases.push({ family, address, mac: owner, clientIdentifier: hex(client) })
    } else if (family === 'ipv6' && /^\d+$/.test(owner)) {
      const association = Number(owner)
      leases.push({ family, address, association, clientIdentifier: hex(client) })
    }
  }
  return { leases, serverIdentifier }
}

/** DHCPRELEASE (RFC 2131 section 4.4.6) of the lease, as its client would send it. */
export function releaseIpv4(
  lease: Extract<Lease, { family: 'ipv4' }>,
  server: string,
  transaction: number,
): Uint8Array {
  const fixed = Buffer.alloc(236)
  fixed.set([1, 1, 6, 0])
  fixed.writeUInt32BE(transaction >>> 0, 4)
  fixed.set(addressBytes(lease.address), 12)
  fixed.set(Buffer.from(lease.mac.replaceAll(':', ''), 'hex'), 28)
  const client = Buffer.from(lease.clientIdentifier, 'hex')
  return Buffer.concat([
    fixed,
    Buffer.from([0x63, 0x82, 0x53, 0x63]),
    Buffer.from([53, 1, 7]),
    Buffer.from([54, 4, ...addressBytes(server)]),
    ...(client.length === 0 ? [] : [Buffer.from([61, client.length]), client]),
    Buffer.from([255]),
  ])
}

/** Release message of DHCPv6 (RFC 8415 section 18.2.7) for the lease. */
export function releaseIpv6(
  lease: Extract<Lease, { family: 'ipv6' }>,
  serverIdentifier: string,
  transaction: number,
): Uint8Array {
  const association = Buffer.alloc(12)
  association.writeUInt32BE(lease.association >>> 0, 0)
  const address = option(5, Buffer.concat([addressBytes(lease.address), Buffer.alloc(8)]))
  const head = Buffer.alloc(4)
  head.writeUInt32BE((8 << 24) | (transaction & 0xff_ffff), 0)
  return Buffer.concat([
    head,
    option(1, Buffer.from(lease.clientIdentifier, 'hex')),
    option(2, Buffer.from(serverIdentifier, 'hex')),
    option(3, Buffer.concat([association, address])),
    option(8, Buffer.alloc(2)),
  ])
}

function option(code: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(code, 0)
  head.writeUInt16BE(value.length, 2)
  return Buffer.concat([head, value])
}

function addressBytes(text: string): Buffer {
  const address = parseAddress(text)
  const digits = address?.family === 'ipv6' ? 32 : 8
  return Buffer.from((address?.value ?? 0n).toString(16).padStart(digits, '0'), 'hex')
}

function hex(text: string): string {
  return text === '*' ? '' : text.replaceAll(':', '')
}
