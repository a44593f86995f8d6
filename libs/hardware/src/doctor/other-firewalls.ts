import { PurlinError } from '@purlin/base'
import { doctorCheck, type Opinion } from './check.ts'

/** A chain that is bound to a hook, as `nft -j list chains` shows it. */
export interface BaseChain {
  readonly family: string
  readonly table: string
  readonly name: string
  readonly hook: string
  readonly policy: string
}

export interface OtherFirewallsReading {
  readonly baseChains: readonly BaseChain[]
  /** Links of the host; docker's is docker0. */
  readonly links: readonly string[]
  /** Tables of iptables-legacy, which nft cannot see. */
  readonly legacyTables: readonly string[]
}

const OUR_TABLE = 'purlin'

/** Whether somebody else filters on this host. */
export const otherFirewalls = doctorCheck<OtherFirewallsReading>({
  name: 'other-firewalls',
  read: async (host, _knowledge, signal) => {
    const listed = await host.run('/usr/sbin/nft', ['-j', 'list', 'chains'], {
      timeoutMs: 4_000,
      signal,
    })
    const legacy = await Promise.all(
      ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'].map(host.readFile),
    )
    return {
      baseChains: baseChainsOf(listed.stdout),
      links: (await host.listFolder('/sys/class/net')) ?? [],
      legacyTables: [...new Set(legacy.flatMap((text) => text?.split('\n') ?? []))].filter(
        (table) => table !== '',
      ),
    }
  },
  judge: judgeOtherFirewalls,
})

/** The base chains of nft's JSON that are not Purlin's. Pure. Errors: PUR_NFT_UNREADABLE for an
 *  answer that is none of nftables; an unrelated program of Node's packages is called nft too. */
export function baseChainsOf(json: string): readonly BaseChain[] {
  const { nftables } = readListing(json)
  return nftables.flatMap(({ chain }) => {
    const { family, table, name, hook, policy = 'accept' } = chain ?? {}
    if (family === undefined || table === undefined || name === undefined) return []
    if (hook === undefined || table === OUR_TABLE) return []
    return [{ family, table, name, hook, policy }]
  })
}

function readListing(json: string): { nftables: { chain?: Partial<BaseChain> }[] } {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new PurlinError('PUR_NFT_UNREADABLE', {
      message: `nft -j list chains: the answer is no JSON ("${json.slice(0, 40)}"); see which program nft is in the search path`,
      cause,
    })
  }
}

/** A packet must be accepted at every chain of a hook, so a drop elsewhere also stops what Purlin
 *  allows; bridged frames of filtered NICs pass the forward hooks of ip and ip6 too. Pure. */
export function judgeOtherFirewalls(reading: OtherFirewallsReading): Opinion[] {
  const { baseChains, links, legacyTables } = reading
  const opinions: Opinion[] = []
  const dropping = baseChains.filter(({ policy }) => policy === 'drop')
  const [between, local] = [
    dropping.filter(({ hook }) => hook === 'forward' || hook === 'prerouting'),
    dropping.filter(({ hook }) => hook === 'input' || hook === 'output'),
  ]
  if (between.length > 0) {
    opinions.push({
      status: 'problem',
      found: `drops what it does not allow, also between machines: ${chainNames(between)}`,
      advice: 'Take the drop policy away, or allow traffic of the bridges pbr-* there.',
    })
  }
  if (local.length > 0) {
    opinions.push({
      status: 'notice',
      found: `drops what it does not allow to or from this host: ${chainNames(local)}`,
      advice: 'Allow DHCP and names (UDP 53, 67, 547) from port groups, and the API’s port, there.',
    })
  }
  const others = [
    ...(baseChains.some(({ table }) => table === 'firewalld') ? ['firewalld'] : []),
    ...(links.includes('docker0') ? ['docker'] : []),
  ]
  if (others.length > 0) {
    opinions.push({
      status: 'notice',
      found: `${others.join(' and ')} also writes rules on this host`,
      advice: 'After a change of its rules, look here again.',
    })
  }
  if (legacyTables.length > 0) {
    opinions.push({
      status: 'notice',
      found: `iptables-legacy has tables that nft does not show: ${legacyTables.join(', ')}`,
      advice: 'See what they drop with iptables-legacy-save; better, move them to nftables.',
    })
  }
  return opinions.length > 0 ? opinions : [{ status: 'ok', found: 'none that drops' }]
}

function chainNames(chains: readonly BaseChain[]): string {
  return chains.map(({ family, table, name }) => `${family} ${table} ${name}`).join(', ')
}
