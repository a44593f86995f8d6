import type { CommitRow, NetfilterFindings } from './findings.ts'
import { CHOSEN, IDENTITY, LINEAR } from './purlin.ts'

/** A goal, what was found, and whether it holds. */
export interface Goal {
  readonly name: string
  readonly found: number
  readonly wanted: string
  readonly met: boolean
}

const LISTS = [10, 100, 1_000, 10_000] as const

/** The goals of the firewall, as far as the findings have what they speak of. Pure. */
export function goals(findings: NetfilterFindings): readonly Goal[] {
  return [...firstPacketGoals(findings), ...commitGoals(findings)].filter(
    ({ found }) => !Number.isNaN(found),
  )
}

function firstPacketGoals({ firstPacket }: NetfilterFindings): readonly Goal[] {
  const cost = (side: string, rules: number, nics = 1): number =>
    firstPacket.find((row) => row.side === side && row.rules === rules && row.nics === nics)
      ?.cpuNs ?? Number.NaN
  const cheapest = (prefix: string, rules: number, nics = 1): number =>
    Math.min(
      ...firstPacket
        .filter((row) => row.side.startsWith(prefix) && row.rules === rules && row.nics === nics)
        .map(({ cpuNs }) => cpuNs),
    )
  const finite = (value: number): number => (Number.isFinite(value) ? value : Number.NaN)
  return [
    atMost(
      'identity form, 10,000 rules to its own 10',
      cost(IDENTITY, 10_000) / cost(IDENTITY, 10),
      1.15,
    ),
    atMost('chosen form, 10,000 rules to its own 10', cost(CHOSEN, 10_000) / cost(CHOSEN, 10), 1.3),
    ...LISTS.map((rules) =>
      atMost(
        `chosen form at ${rules} rules to the better form`,
        cost(CHOSEN, rules) / Math.min(cost(LINEAR, rules), cost(IDENTITY, rules)),
        1.05,
      ),
    ),
    atLeast(
      'cheaper than iptables-nft at 10,000 rules',
      finite(cheapest('iptables-nft', 10_000)) / cost(CHOSEN, 10_000),
      25,
    ),
    atLeast(
      'cheaper than iptables-legacy at 10,000 rules',
      finite(cheapest('iptables-legacy', 10_000)) / cost(CHOSEN, 10_000),
      8,
    ),
    atLeast(
      'cheaper than iptables-nft at 100 NICs × 100 rules',
      finite(cheapest('iptables-nft', 100, 100)) / cost(CHOSEN, 100, 100),
      3,
    ),
  ]
}

function commitGoals({ commits }: NetfilterFindings): readonly Goal[] {
  const p50 = (change: CommitRow['change'], side: (name: string) => boolean): number => {
    const found = commits.filter((row) => row.change === change && side(row.side))
    return found.length === 0 ? Number.NaN : Math.min(...found.map(({ wall }) => wall.p50))
  }
  const ours = (name: string): boolean => name === 'Purlin'
  const theirs = (name: string): boolean => !ours(name)
  const cold = p50('cold load', ours)
  return [
    atMost('one rule, p50 ms', p50('one rule', ours), 5),
    atMost('one member, p50 ms', p50('one member', ours), 1),
    atMost('cold load, p50 ms', cold, 1_000),
    atMost('cold load to iptables-nft-restore', cold / p50('cold load', theirs), 1),
  ]
}

function atMost(name: string, found: number, limit: number): Goal {
  return { name, found, wanted: `at most ${limit}`, met: found <= limit }
}

function atLeast(name: string, found: number, limit: number): Goal {
  return { name, found, wanted: `at least ${limit}`, met: found >= limit }
}
