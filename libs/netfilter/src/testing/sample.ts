import { type SecurityGroupSpec, securityGroupSpec } from '@purlin/schema'
import type { FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { allGuards, allOpen } from '../policy/filtered-nic.ts'

/** A NIC by a letter: machine a has zone 10, addresses 10.9.0.10 and fd09::a. */
export function sampleNic(letter: string, groups: readonly string[]): FilteredNic {
  const number = Number.parseInt(letter, 16)
  return {
    port: `${letter}.eth0`,
    tap: `ptap-${letter}`,
    inner: `pin-${letter}`,
    zone: number,
    mac: `52:54:00:00:00:0${letter}`,
    ipv4: [`10.9.0.${number}`],
    ipv6: [`fd09::${letter}`],
    groups,
    filtered: groups.length > 0,
    defaultPolicy: { inbound: 'deny', outbound: 'allow' },
    guards: allGuards,
    alwaysOpen: allOpen,
    allowedAddresses: [],
    servers: [],
    trunk: false,
  }
}

/** A group from the form that a manifest has. */
export function sampleGroup(spec: object): SecurityGroupSpec {
  return securityGroupSpec.parse(spec)
}

/** Desired state in which the members of a group are the NICs that name it. */
export function desiredOf(
  nics: readonly FilteredNic[],
  groups: Readonly<Record<string, SecurityGroupSpec>>,
): NetfilterDesired {
  const members = Object.keys(groups).map((name) => {
    const own = nics.filter((nic) => nic.groups.includes(name))
    return [name, own.map(({ ipv4, ipv6 }) => ({ ipv4, ipv6 }))] as const
  })
  return { nics, groups: new Map(Object.entries(groups)), members: new Map(members) }
}

const both = (rule: object, peer4?: object, peer6?: object): object[] => [
  { family: 'ipv4', ...rule, ...(peer4 && { source: peer4 }) },
  { family: 'ipv6', ...rule, ...(peer6 && { source: peer6 }) },
]

/** Two groups of which `web` refuses ports 1000 to 2000 to c before it opens 1000 to 3000 to all;
 *  `ops` has its members rule off. */
export const sampleGroups: Readonly<Record<string, SecurityGroupSpec>> = {
  web: sampleGroup({
    inbound: [
      ...both({ protocol: 'tcp', ports: ['80', '443'], action: 'allow' }),
      ...both(
        { protocol: 'tcp', ports: ['1000-2000'], action: 'deny' },
        { cidrs: ['10.9.0.12/32'] },
        { addresses: ['fd09::c'] },
      ),
      ...both({ protocol: 'tcp', ports: ['1000-3000'], action: 'allow' }),
      ...both({ protocol: 'udp', ports: ['5353'], action: 'allow' }),
    ],
  }),
  ops: sampleGroup({
    allowWithinGroup: false,
    inbound: [
      ...both(
        { protocol: 'tcp', ports: ['22'], action: 'allow' },
        { ranges: ['10.9.0.10-10.9.0.10'] },
        { cidrs: ['fd09::a/128'] },
      ),
      ...both({ protocol: 'tcp', ports: ['3000-4000'], action: 'deny' }),
    ],
  }),
}

/** Machines a (ops), b (web, then ops), c (no groups), d (web). */
export const sampleDesired: NetfilterDesired = desiredOf(
  [
    sampleNic('a', ['ops']),
    sampleNic('b', ['web', 'ops']),
    sampleNic('c', []),
    sampleNic('d', ['web']),
  ],
  sampleGroups,
)
