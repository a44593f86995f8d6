import { formatAddress } from '@purlin/base'
import type { LoggedPacket } from '../netlink/index.ts'
import type { Packet } from '../packet.ts'
import type { Direction, FilterAction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { protocolWord } from '../policy/protocol.ts'
import { readLogPrefix } from '../target/log.ts'
import { DIRECTION_MASK, markClass, ZONE_MASK } from '../target/names.ts'

/** A new flow that a rule with `log` decided. */
export interface LoggedFlow {
  /** `MACHINE.NIC`; absent where the packet does not tell. */
  readonly port: string | undefined
  readonly direction: Direction | undefined
  /** As in `RuleHits`. */
  readonly rule: string
  readonly verdict: FilterAction
  readonly packet: Packet | undefined
  readonly atMs: number
  /** One sentence for people. */
  readonly sentence: string
}

/** Reads what a rule of ours has logged; undefined for a packet that somebody else's has. Pure. */
export function loggedFlow(
  { prefix, mark, packet, receivedMs }: LoggedPacket,
  desired: NetfilterDesired,
): LoggedFlow | undefined {
  const logged = readLogPrefix(prefix)
  if (logged === undefined) return undefined
  const { nic, direction } = placeOf(mark, packet, logged.rule, desired)
  const verdict = logged.verdict === 'accept' ? 'allow' : 'deny'
  const where = nic === undefined ? 'a NIC' : nic.port.replace('.', '/')
  const flow = packet === undefined ? 'a packet' : flowText(packet)
  return {
    port: nic?.port,
    direction,
    rule: logged.rule,
    verdict,
    packet,
    atMs: receivedMs,
    sentence: `${where} ${direction ?? ''}: ${flow}: ${verdict} by ${logged.rule}`.replace(
      ' :',
      ':',
    ),
  }
}

interface Place {
  readonly nic: FilteredNic | undefined
  readonly direction: Direction | undefined
}

/** The mark says it, unless the list has written its own number there; then the rule and the
 *  addresses do. */
function placeOf(
  mark: number,
  packet: Packet | undefined,
  rule: string,
  desired: NetfilterDesired,
): Place {
  const sort = (mark & DIRECTION_MASK) >>> 0
  if (sort === markClass.inbound || sort === markClass.outbound) {
    const nic = desired.nics.find(({ zone }) => zone === (mark & ZONE_MASK))
    return { nic, direction: sort === markClass.inbound ? 'inbound' : 'outbound' }
  }
  const said = rule.split('/')[1]
  const direction = said === 'inbound' || said === 'outbound' ? said : undefined
  if (packet === undefined) return { nic: undefined, direction }
  const own = (value: bigint): FilteredNic | undefined =>
    desired.nics.find((nic) =>
      nic[packet.family].some((text) => {
        const family = packet.family
        return text === formatAddress({ family, value })
      }),
    )
  const receiver = own(packet.destination)
  const sender = own(packet.source)
  if (direction === 'outbound') return { nic: sender, direction }
  if (direction === 'inbound') return { nic: receiver, direction }
  return { nic: receiver ?? sender, direction: undefined }
}

function flowText({ family, protocol, icmp, ...rest }: Packet): string {
  const { source, destination, sourcePort, destinationPort } = rest
  const end = (value: bigint, port: number | undefined): string => {
    const text = formatAddress({ family, value })
    if (port === undefined) return text
    return family === 'ipv4' ? `${text}:${port}` : `[${text}]:${port}`
  }
  const kind = icmp === undefined ? '' : ` type ${icmp.type} code ${icmp.code}`
  return `${protocolWord(protocol)}${kind} ${end(source, sourcePort)} -> ${end(destination, destinationPort)}`
}
