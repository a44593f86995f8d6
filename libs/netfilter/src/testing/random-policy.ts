import { type AddressFamily, formatAddress, parseAddress } from '@purlin/base'
import {
  type AlwaysOpen,
  type InboundRule,
  type RulePeer,
  rulePeer,
  type SecurityGroupSpec,
} from '@purlin/schema'
import type { FilteredNic, MemberAddresses, NetfilterDesired } from '../policy/desired.ts'
import { allGuards, allOpen } from '../policy/filtered-nic.ts'
import type { Generator } from './generator.ts'

const GROUPS = ['web', 'app', 'db', 'ops']
const BASE = {
  ipv4: parseAddress('10.9.0.0')?.value ?? 0n,
  ipv6: parseAddress('fd09::')?.value ?? 0n,
}

/** A small world in which everything overlaps: 32 addresses a family, 24 ports, four groups. */
export function randomDesired(random: Generator): NetfilterDesired {
  const nics = Array.from({ length: 4 }, (_, index) => randomNic(random, index))
  return {
    nics,
    groups: new Map(GROUPS.map((name) => [name, randomGroup(random)])),
    members: new Map(
      GROUPS.map((name) => [name, random.several(0, 4, () => randomMember(random))]),
    ),
  }
}

/** The same world after somebody has joined or left a group. */
export function withMemberChange(random: Generator, desired: NetfilterDesired): NetfilterDesired {
  const group = random.pick(GROUPS)
  const own = desired.members.get(group) ?? []
  const changed = random.chance(50)
    ? [...own, randomMember(random)]
    : own.filter((_, index) => index !== own.length - 1)
  return { ...desired, members: new Map([...desired.members, [group, changed]]) }
}

function randomNic(random: Generator, index: number): FilteredNic {
  const action = (): 'allow' | 'deny' => random.pick(['allow', 'deny'])
  const groups = random.several(0, 3, () => random.pick(GROUPS))
  return {
    port: `vm-${index}.eth0`,
    tap: `ptap-${index}`,
    inner: `pin-${index}`,
    zone: index + 1,
    mac: `52:54:00:00:00:0${index}`,
    ipv4: [`10.9.0.${index}`],
    ipv6: [`fd09::${index}`],
    groups,
    filtered: groups.length > 0 || random.chance(50),
    defaultPolicy: { inbound: action(), outbound: action() },
    guards: allGuards,
    alwaysOpen: random.chance(50) ? allOpen : randomSwitches(random),
    allowedAddresses: [],
    servers: random.several(0, 2, () => ({
      mac: '52:54:00:00:00:ff',
      address: random.pick(['10.9.0.1', '10.9.0.30', 'fd09::1', 'fe80::1']),
    })),
    trunk: false,
  }
}

function randomSwitches(random: Generator): AlwaysOpen {
  return {
    dhcpRequests: random.chance(50),
    dhcpAnswers: random.chance(50),
    routerAdvertisements: random.chance(50),
    neighbourDiscovery: random.chance(50),
    icmpErrors: random.chance(50),
  }
}

function randomMember(random: Generator): MemberAddresses {
  return {
    ipv4: random.several(0, 2, () => `10.9.0.${random.below(32)}`),
    ipv6: random.several(0, 2, () => `fd09::${random.below(32).toString(16)}`),
  }
}

function randomGroup(random: Generator): SecurityGroupSpec {
  const rules = (side: 'source' | 'destination') =>
    random.several(0, 7, () => {
      const family: AddressFamily = random.pick(['ipv4', 'ipv6'])
      const peer = random.chance(70) ? randomPeer(random, family) : undefined
      return { ...randomRule(random, family), ...(peer && { [side]: peer }) }
    })
  return {
    allowWithinGroup: random.chance(40),
    keepEstablished: false,
    inbound: rules('source'),
    outbound: rules('destination'),
  }
}

function randomRule(random: Generator, family: AddressFamily): Omit<InboundRule, 'source'> {
  const protocol = random.pick<InboundRule['protocol']>([
    'all',
    'tcp',
    'tcp',
    'udp',
    'sctp',
    'icmp',
    6,
    47,
    1,
    58,
  ])
  const hasPorts = protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp'
  const span = (): string => {
    const first = random.below(20)
    return random.chance(50) ? String(first) : `${first}-${first + random.below(6)}`
  }
  const type = random.pick([0, 3, 8, 128])
  return {
    family,
    protocol,
    action: random.pick(['allow', 'deny']),
    enabled: random.chance(90),
    log: random.chance(15),
    ...(random.chance(30) && { id: `r${random.below(1_000_000)}` }),
    ...(hasPorts && random.chance(70) && { ports: random.several(1, 3, span) }),
    ...(protocol === 'icmp' &&
      random.chance(60) && {
        icmp: random.chance(50) ? { type } : { type, code: random.below(2) },
      }),
  }
}

function randomPeer(random: Generator, family: AddressFamily): RulePeer {
  const address = (offset: number): string =>
    formatAddress({ family, value: BASE[family] + BigInt(offset) })
  const bits = family === 'ipv4' ? 32 : 128
  const cidr = (): string => {
    if (random.chance(10)) return family === 'ipv4' ? '0.0.0.0/0' : '::/0'
    const size = random.pick([1, 2, 4, 8, 16])
    const first = random.below(32 / size) * size
    return `${address(first)}/${bits - Math.log2(size)}`
  }
  const span = (): string => {
    const first = random.below(28)
    return `${address(first)}-${address(first + random.below(5))}`
  }
  const peer = {
    cidrs: random.several(0, 2, cidr),
    addresses: random.several(0, 2, () => address(random.below(32))),
    ranges: random.several(0, 1, span),
    groups: random.several(0, 2, () => random.pick(GROUPS)),
    self: random.chance(25),
  }
  const fits = rulePeer.safeParse(peer)
  return fits.success ? fits.data : { ...peer, self: true }
}
