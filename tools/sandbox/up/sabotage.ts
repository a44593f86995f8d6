import { PurlinError } from '@purlin/base'
import type { PrivateHost } from '../host.ts'
import { NFT } from '../nft.ts'
import { type Question, questionLines } from './question.ts'

/** What was flipped, for people. */
export interface Sabotage {
  readonly question: Question
  readonly sentence: string
}

interface NftChain {
  readonly chain?: { readonly name: string; readonly hook?: string }
}

/** Flips one verdict in the kernel behind the agent's back: of the questions that should pass, the
 *  first is dropped by a rule put before all others. The table must then show that traffic and
 *  policy differ. Errors: PUR_INVALID when the policy lets nothing pass, so that there is nothing
 *  to flip. */
export async function sabotage(
  host: PrivateHost,
  questions: readonly Question[],
  isExpected: (question: Question) => boolean,
): Promise<Sabotage> {
  const question = questions.find((one) => one.to.port !== undefined && isExpected(one))
  if (question === undefined) {
    throw new PurlinError('PUR_INVALID', {
      message:
        '--sabotage: the policy lets nothing pass to a machine, so no verdict can be flipped',
    })
  }
  const chain = await forwardChain(host)
  const rule = ['insert', 'rule', 'inet', 'purlin', chain, ...matchOf(question), 'drop']
  await host.run(NFT, rule)
  const { from, to, service, family } = question
  const said = questionLines([question]).trim().split(' ').slice(1).join(' ')
  return {
    question,
    sentence: `flipped in the kernel: ${from.name} to ${to.name}, ${service.protocol} by ${family} (${said}) is now dropped`,
  }
}

/** The base chain of Purlin's own table that sees forwarded packets. */
async function forwardChain(host: PrivateHost): Promise<string> {
  const listed = await host.run(NFT, ['--json', 'list', 'table', 'inet', 'purlin'])
  const { nftables } = JSON.parse(listed.stdout) as { nftables: readonly NftChain[] }
  const found = nftables.find(({ chain }) => chain?.hook === 'forward')?.chain?.name
  if (found !== undefined) return found
  throw new PurlinError('PUR_NFT_UNREADABLE', {
    message: '--sabotage: table inet purlin has no chain in the forward hook',
  })
}

/** nft's words for a question; every word is an argument of its own. Pure. */
export function matchOf({ from, to, family, service }: Question): readonly string[] {
  const network = family === 'ipv4' ? 'ip' : 'ip6'
  const ends = [network, 'saddr', from[family] ?? '', network, 'daddr', to[family] ?? '']
  if (service.protocol === 'icmp') {
    return [...ends, 'meta', 'l4proto', family === 'ipv4' ? 'icmp' : 'ipv6-icmp']
  }
  return [...ends, service.protocol, 'dport', String(service.port)]
}
