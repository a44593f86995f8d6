import type { FilterAction } from '@purlin/netfilter'
import { type SecurityGroupSpec, securityGroupSpec } from '@purlin/schema'

/** A rule that every side of the benchmark can say: one source address, one port or run of
 *  ports. */
export interface PlainRule {
  readonly action: FilterAction
  readonly source: string
  readonly protocol: 'tcp' | 'udp'
  readonly firstPort: number
  readonly lastPort: number
}

const FIRST_SOURCE = 0xac100000 // 172.16.0.0

/** So many rules, each with a source of its own; a fifth denies, a fifth has a run of 51 ports.
 *  The same for the same seed. */
export function plainRules(count: number, seed: number): readonly PlainRule[] {
  let state = (seed * 2_654_435_761 + 1) >>> 0
  // A linear congruential generator: every side gets the same list in every run.
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return Array.from({ length: count }, (_, index): PlainRule => {
    const firstPort = 1 + below(59_999)
    return {
      action: below(100) < 20 ? 'deny' : 'allow',
      source: dotted(FIRST_SOURCE + index),
      protocol: below(2) === 0 ? 'tcp' : 'udp',
      firstPort,
      lastPort: below(100) < 80 ? firstPort : firstPort + 50,
    }
  })
}

/** The rules as a group's inbound list. */
export function asSecurityGroup(rules: readonly PlainRule[]): SecurityGroupSpec {
  return securityGroupSpec.parse({
    allowWithinGroup: false,
    inbound: rules.map((rule) => ({
      family: 'ipv4',
      protocol: rule.protocol,
      ports: [ports(rule, '-')],
      source: { addresses: [rule.source] },
      action: rule.action,
    })),
  })
}

/** As Neutron's agent writes them: allowed packets return, so that the other end's chain is
 *  walked too. */
export function neutronRules(rules: readonly PlainRule[], chain: string): readonly string[] {
  return rules.map((rule) => {
    const { source, protocol, action } = rule
    const match = `-s ${source}/32 -p ${protocol} -m ${protocol} --dport ${ports(rule, ':')}`
    return `-A ${chain} ${match} -j ${action === 'allow' ? 'RETURN' : 'DROP'}`
  })
}

/** As ZStack's agent writes them: multiport, and a comment with the priority. */
export function zstackRules(rules: readonly PlainRule[], chain: string): readonly string[] {
  return rules.map((rule, index) => {
    const { source, protocol, action } = rule
    const match = `-s ${source}/32 -p ${protocol} -m multiport --dports ${ports(rule, ':')}`
    const comment = `-m comment --comment Ingress-priority@${index}`
    return `-A ${chain} ${match} ${comment} -j ${action === 'allow' ? 'ACCEPT' : 'DROP'}`
  })
}

/** One nft rule each, as a person would write them. */
export function nftRules(rules: readonly PlainRule[], chain: string): readonly string[] {
  return rules.map((rule) => {
    const match = `ip saddr ${rule.source} ${rule.protocol} dport ${ports(rule, '-')}`
    return `add rule inet peer ${chain} ${match} ${rule.action === 'allow' ? 'accept' : 'drop'}`
  })
}

function ports({ firstPort, lastPort }: PlainRule, dash: string): string {
  return firstPort === lastPort ? String(firstPort) : `${firstPort}${dash}${lastPort}`
}

function dotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
}
