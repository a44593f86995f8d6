import { type AddressFamily, parseAddress } from '@purlin/base'
import {
  type FilteredNic,
  filteredNicOf,
  type NetfilterDesired,
  type Packet,
  protocolNumber,
  verdictBetween,
} from '@purlin/netfilter'
import type { Manifest } from '@purlin/schema'
import type { Question } from './question.ts'

const ECHO_REQUEST: Readonly<Record<AddressFamily, number>> = { ipv4: 8, ipv6: 128 }

/** The policy of a manifest as the interpreter reads it: made of the manifest and of the addresses
 *  its NICs were given, and of nothing that the agent or the kernel says about rules. Pure. */
export function policyOf(
  machines: readonly Manifest<'VirtualMachine'>[],
  groups: readonly Manifest<'SecurityGroup'>[],
  ports: readonly Manifest<'Port'>[],
): NetfilterDesired {
  const nics = machines.flatMap((machine) =>
    machine.spec.nics.flatMap((nic): FilteredNic[] => {
      const port = ports.find(({ name }) => name === `${machine.name}.${nic.name}`)
      if (port === undefined) return []
      return [filteredNicOf(port.name, port.spec, nic, { servers: [], trunk: false })]
    }),
  )
  const membersOf = (group: string) => nics.filter((nic) => nic.groups.includes(group))
  return {
    nics,
    groups: new Map(groups.map(({ name, spec }) => [name, spec])),
    members: new Map(groups.map(({ name }) => [name, membersOf(name)])),
  }
}

/** What the policy says to a question: whether the first packet of such a flow passes both ends'
 *  lists. Pure. */
export function isExpected(policy: NetfilterDesired, question: Question): boolean {
  const { from, to } = question
  const nicOf = (name: string | undefined): FilteredNic | undefined =>
    policy.nics.find(({ port }) => port === name)
  const packet = packetOf(question)
  return (
    verdictBetween(policy, nicOf(from.port?.name), nicOf(to.port?.name), packet).verdict === 'allow'
  )
}

function packetOf({ from, to, family, service }: Question): Packet {
  const value = (text: string | undefined): bigint => parseAddress(text ?? '')?.value ?? 0n
  const common = {
    family,
    source: value(from[family]),
    destination: value(to[family]),
    protocol: Number(protocolNumber(service.protocol, family)),
  }
  return service.protocol === 'icmp'
    ? { ...common, icmp: { type: ECHO_REQUEST[family], code: 0 } }
    : { ...common, destinationPort: service.port }
}
