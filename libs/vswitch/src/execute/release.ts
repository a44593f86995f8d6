import { randomBytes } from 'node:crypto'
import { PurlinError, parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import { inNamespace } from '../links/batch.ts'
import { readText } from '../services/folder.ts'
import { type Lease, parseLeases, releaseIpv4, releaseIpv6 } from '../services/lease.ts'
import type { ProcessIdentity } from '../services/process.ts'
import { INSIDE_DEVICE, type ServiceDesired } from '../services/service.ts'
import { speakCommand } from '../services/speak.ts'
import type { ExecuteContext } from './context.ts'

const SPEAK_DEADLINE_MS = 5_000
const RELEASE_DEADLINE_MS = 4_000
const RELEASE_REPEAT_MS = 1_000
const READ_PAUSE_MS = 30
/** dnsmasq empties its lease file before it writes it anew, so one look may find nothing. */
const QUIET_READS = 3
const DHCPV6_SERVERS = `ff02::1:2%${INSIDE_DEVICE}`

interface Release {
  readonly lease: Lease
  readonly address: string
  readonly port: number
  readonly bytes: Uint8Array
}

/** Releases every lease on an owed claim (`MAC ADDRESS`) as its client would, by a datagram from
 *  inside the namespace, and returns when dnsmasq's lease file has been seen without them three
 *  times. Errors: PUR_DHCP_FAILED, and those of `run`. */
export async function releaseLeases(
  context: ExecuteContext,
  service: ServiceDesired,
  holder: ProcessIdentity,
  leaseFile: string,
  owed: readonly string[],
): Promise<void> {
  const claims = new Set(owed)
  const endMs = context.clock.monotonicMs() + RELEASE_DEADLINE_MS
  let spokenMs = Number.NEGATIVE_INFINITY
  for (let quiet = 0; quiet < QUIET_READS; ) {
    const left = releasesOf((await readText(leaseFile)) ?? '', service, claims)
    quiet = left.length === 0 ? quiet + 1 : 0
    const nowMs = context.clock.monotonicMs()
    if (nowMs > endMs) {
      const addresses = left.map(({ lease }) => lease.address).join(', ')
      throw new PurlinError('PUR_DHCP_FAILED', {
        message: `release leases of port group ${service.portGroup}: ${addresses} are still leased after ${RELEASE_DEADLINE_MS} ms`,
      })
    }
    if (left.length > 0 && nowMs - spokenMs >= RELEASE_REPEAT_MS) {
      spokenMs = nowMs
      await speak(context, holder, left)
    }
    await context.clock.sleep(READ_PAUSE_MS, context.signal)
  }
}

/** A lease of DHCPv6 does not tell its MAC, so it goes by the address alone; the file of IPv4
 *  tells it. */
function releasesOf(
  leaseFile: string,
  service: ServiceDesired,
  owed: ReadonlySet<string>,
): readonly Release[] {
  const { leases, serverIdentifier } = parseLeases(leaseFile)
  const owedAddresses = new Set([...owed].map((claim) => claim.slice(claim.indexOf(' ') + 1)))
  return leases.flatMap((lease): Release[] => {
    const transaction = randomBytes(4).readUInt32BE(0)
    if (lease.family === 'ipv6') {
      if (!owedAddresses.has(lease.address)) return []
      const bytes = releaseIpv6(lease, serverIdentifier, transaction)
      return [{ lease, bytes, address: DHCPV6_SERVERS, port: 547 }]
    }
    const gateway = gatewayFor(service, lease.address)
    const claim = `${lease.mac.replaceAll(':', '')} ${lease.address}`
    if (gateway === undefined || !owed.has(claim)) return []
    const bytes = releaseIpv4(lease, gateway, transaction)
    return [{ lease, bytes, address: gateway, port: 67 }]
  })
}

function gatewayFor(service: ServiceDesired, text: string): string | undefined {
  const address = parseAddress(text)
  const holding = service.addresses.find((gateway) => {
    const network = parseCidr(gateway)
    return address !== undefined && network !== undefined && rangeHolds(network, address)
  })
  return holding?.slice(0, holding.indexOf('/'))
}

async function speak(
  context: ExecuteContext,
  holder: ProcessIdentity,
  releases: readonly Release[],
): Promise<void> {
  const datagrams = releases.map(({ address, port, bytes }) => ({
    address,
    port,
    bytes: Buffer.from(bytes).toString('hex'),
  }))
  const [program = '', ...args] = inNamespace(holder.processId, speakCommand(datagrams))
  await context.run(program, args, { timeoutMs: SPEAK_DEADLINE_MS, signal: context.signal })
}
