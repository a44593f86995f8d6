import {
  allGuards,
  allOpen,
  Compiler,
  type CompilerOptions,
  type FilteredNic,
  hostObjects,
  loadScript,
  type NetfilterDesired,
  NFT_PROGRAM,
} from '@purlin/netfilter'
import { MACHINE_ADDRESS, MACHINE_MAC } from './path.ts'
import type { HostLists, Peer } from './peers.ts'
import { asSecurityGroup } from './rules.ts'

export const LINEAR = 'Purlin, linear form'
export const IDENTITY = 'Purlin, identity form'
export const CHOSEN = 'Purlin, chosen form'

/** Purlin's rule sets: each form, and what the product chooses by its own measure. */
export function purlinSides(): readonly Peer[] {
  return [side(LINEAR, 'linear'), side(IDENTITY, 'identity'), side(CHOSEN, 'measured')]
}

function side(name: string, form: NonNullable<CompilerOptions['form']>): Peer {
  return {
    name,
    flat: form !== 'linear',
    program: NFT_PROGRAM,
    args: ['-f', '-'],
    text: (host) =>
      loadScript(hostObjects(new Compiler({ form }).compile(desiredOf(host)), () => 0)),
  }
}

/** The policy of a host whose last NIC is the one that packets meet. */
function desiredOf({ lists, taps, cables }: HostLists): NetfilterDesired {
  return {
    nics: taps.map((tap, index) => benchNic(index, tap, cables[index] ?? '')),
    groups: new Map(lists.map((rules, index) => [groupName(index), asSecurityGroup(rules)])),
    members: new Map(),
  }
}

/** NIC n: group n, the machine's address for all, since only the last one is met. */
export function benchNic(index: number, tap: string, inner: string): FilteredNic {
  return {
    port: `vm-${index}.eth0`,
    tap,
    inner,
    zone: index + 1,
    mac: MACHINE_MAC,
    ipv4: [MACHINE_ADDRESS],
    ipv6: [],
    groups: [groupName(index)],
    filtered: true,
    defaultPolicy: { inbound: 'deny', outbound: 'allow' },
    guards: allGuards,
    alwaysOpen: allOpen,
    allowedAddresses: [],
    servers: [],
    trunk: false,
  }
}

/** The group of NIC n. */
export function groupName(index: number): string {
  return `group-${index}`
}
