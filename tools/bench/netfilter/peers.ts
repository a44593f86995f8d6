import { neutronRules, nftRules, type PlainRule, zstackRules } from './rules.ts'

/** The last NIC's list is the one that packets meet; the others stand before it. */
export interface HostLists {
  /** A list for each NIC. */
  readonly lists: readonly (readonly PlainRule[])[]
  /** The machines' sides of the NICs' bridges, in the same order. */
  readonly taps: readonly string[]
  /** The other sides, from which packets to the machines come. */
  readonly cables: readonly string[]
}

/** A way to say the same policy: the program that loads it and what it reads. */
export interface Peer {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  /** Whether its cost does not grow with the list, so that many packets are affordable. */
  readonly flat?: boolean
  text(host: HostLists): string
}

const iptables = (
  name: string,
  program: string,
  text: (host: HostLists) => readonly string[],
): Peer => ({ name, program, args: [], text: (host) => lines(text(host)) })

/** Conntrack and nothing else: what the path itself costs. */
const base: Peer = {
  name: 'base',
  flat: true,
  program: '/usr/sbin/nft',
  args: ['-f', '-'],
  text: () => lines([...nftHead, 'add rule inet peer forward drop']),
}

/** Lists as plain nft rules behind a map from device to chain. */
const nftLinear: Peer = {
  name: 'nft linear',
  program: '/usr/sbin/nft',
  args: ['-f', '-'],
  text: ({ lists, cables }) => {
    const marks = cables.map((cable, index) => `"${cable}" : ${mark(index)}`)
    const chains = cables.map((_, index) => `${mark(index)} : goto nic-${index}`)
    return lines([
      ...nftHead,
      'add table bridge peer',
      'add map bridge peer marks { type ifname : mark; }',
      'add chain bridge peer mark-ports { type filter hook prerouting priority -300; }',
      'add rule bridge peer mark-ports meta mark set iifname map @marks',
      'add map inet peer chains { type mark : verdict; }',
      ...lists.flatMap((rules, index) => [
        `add chain inet peer nic-${index}`,
        ...nftRules(rules, `nic-${index}`),
        `add rule inet peer nic-${index} drop`,
      ]),
      'add rule inet peer forward meta mark vmap @chains',
      `add element bridge peer marks { ${marks.join(', ')} }`,
      `add element inet peer chains { ${chains.join(', ')} }`,
    ])
  },
}

const nftHead = [
  'add table inet peer',
  'add chain inet peer forward { type filter hook forward priority 0; }',
  'add rule inet peer forward ct state established,related accept',
]

/** Neutron's hybrid form: each port's chain is reached by its physdev, and has the state rule. */
export function neutronForm({ lists, taps }: HostLists): readonly string[] {
  return [
    '*filter',
    ':FORWARD ACCEPT [0:0]',
    ':top - [0:0]',
    ...taps.flatMap((_, index) => [`:nic${index}-in - [0:0]`, `:nic${index}-out - [0:0]`]),
    '-A FORWARD -m physdev --physdev-is-bridged -j top',
    ...taps.flatMap(toNic),
    ...lists.flatMap((rules, index) => [
      `-A nic${index}-in -m state --state RELATED,ESTABLISHED -j RETURN`,
      ...neutronRules(rules, `nic${index}-in`),
      `-A nic${index}-in -j DROP`,
    ]),
    'COMMIT',
  ]
}

/** ZStack's form: the state rule stands once before the ports' chains. */
export function zstackForm({ lists, taps }: HostLists): readonly string[] {
  return [
    '*filter',
    ':FORWARD ACCEPT [0:0]',
    ':top - [0:0]',
    ...taps.flatMap((_, index) => [`:nic${index}-in - [0:0]`, `:nic${index}-out - [0:0]`]),
    '-A FORWARD -m physdev --physdev-is-bridged -j top',
    '-A top -m state --state RELATED,ESTABLISHED -j ACCEPT',
    ...taps.flatMap(toNic),
    ...lists.flatMap((rules, index) => [
      ...zstackRules(rules, `nic${index}-in`),
      `-A nic${index}-in -j DROP`,
    ]),
    'COMMIT',
  ]
}

/** Both agents look a NIC up by its tap in each direction, one rule each. */
function toNic(tap: string, index: number): readonly string[] {
  return [
    `-A top -m physdev --physdev-out ${tap} --physdev-is-bridged -j nic${index}-in`,
    `-A top -m physdev --physdev-in ${tap} --physdev-is-bridged -j nic${index}-out`,
  ]
}

/** Everything that Purlin is measured against. */
export const peers: readonly Peer[] = [
  base,
  iptables('iptables-nft, Neutron form', 'iptables-nft-restore', neutronForm),
  iptables('iptables-nft, ZStack form', 'iptables-nft-restore', zstackForm),
  iptables('iptables-legacy, Neutron form', 'iptables-legacy-restore', neutronForm),
  iptables('iptables-legacy, ZStack form', 'iptables-legacy-restore', zstackForm),
  nftLinear,
]

function mark(index: number): string {
  return `0x${(0x60000000 + index).toString(16)}`
}

function lines(text: readonly string[]): string {
  return `${text.join('\n')}\n`
}
