import { formatAddress } from '@purlin/base'
import { type KernelWitness, type Verification as Proof, protocolWord } from '@purlin/netfilter'
import type { Verification, WitnessPacket } from '@purlin/schema'

/** What a look at the kernel proved, as the API gives it. Pure. */
export function shownVerification({ equal, findings, nics, spaces }: Proof): Verification {
  return {
    equal,
    findings: findings.map(({ where, what, port, direction, witness }) => ({
      where,
      what,
      ...(port !== undefined && { nic: port.replace('.', '/') }),
      ...(direction && { direction }),
      ...(witness && { witness: shownWitness(witness) }),
    })),
    nics,
    spaces,
  }
}

function shownWitness({ family, packet, ...decided }: KernelWitness): WitnessPacket {
  const { source, destination, protocol, sourcePort, destinationPort, icmp } = packet
  return {
    family,
    protocol: protocolWord(protocol),
    source: formatAddress({ family, value: source }),
    ...(sourcePort !== undefined && { sourcePort }),
    destination: formatAddress({ family, value: destination }),
    ...(destinationPort !== undefined && { destinationPort }),
    ...(icmp && { icmpType: icmp.type, icmpCode: icmp.code }),
    state: packet.state ?? 'new',
    ...decided,
  }
}
