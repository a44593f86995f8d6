import type { PacketExplanation, PacketQuestion } from '@purlin/schema'
import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { wholeNumber } from '../options.ts'
import { renderTable } from '../output/table.ts'
import { protocolOf } from '../rule-flags.ts'

interface PacketFlags {
  readonly from: string
  readonly to: string
  readonly proto: string
  readonly port?: number
  readonly sourcePort?: number
  readonly family?: 'ipv4' | 'ipv6'
  readonly icmpType?: number
  readonly icmpCode?: number
  readonly state: 'new' | 'established'
}

/** `purlin explain packet` */
export function addExplain(program: Command, cli: Cli): void {
  program
    .command('explain')
    .description('why things are as they are')
    .command('packet')
    .description('why a packet passes or not')
    .requiredOption('--from <end>', 'a NIC (web-1, web-1/eth0) or an address')
    .requiredOption('--to <end>', 'a NIC or an address')
    .requiredOption('--proto <protocol>', 'tcp, udp, sctp, icmp or a number')
    .option('--port <port>', 'destination port', wholeNumber)
    .option('--source-port <port>', 'source port', wholeNumber)
    .addOption(new Option('--family <family>').choices(['ipv4', 'ipv6']))
    .option('--icmp-type <number>', 'ICMP type', wholeNumber)
    .option('--icmp-code <number>', 'ICMP code', wholeNumber)
    .addOption(new Option('--state <state>').choices(['new', 'established']).default('new'))
    .action(async (flags: PacketFlags) => {
      const answer = await cli.client.explainPacket(questionOf(flags))
      cli.print(answer, () => explanationText(answer, cli.colours))
    })
}

function questionOf(flags: PacketFlags): PacketQuestion {
  const { from, to, proto, port, sourcePort, family, icmpType, icmpCode, state } = flags
  return {
    from,
    to,
    // Whether it is a protocol is for the schema to say.
    protocol: protocolOf(proto) as PacketQuestion['protocol'],
    state,
    ...(port !== undefined && { destinationPort: port }),
    ...(sourcePort !== undefined && { sourcePort }),
    ...(family && { family }),
    ...(icmpType !== undefined && { icmpType }),
    ...(icmpCode !== undefined && { icmpCode }),
  }
}

/** The sentence, then the walk through the lists of each end. Pure. */
export function explanationText({ sentence, ends }: PacketExplanation, colours: boolean): string {
  const walks = ends.map(({ nic, direction, verdict, walk }) => {
    const table = renderTable(
      {
        columns: ['GROUP', 'PRIORITY', 'MATCHED', 'WHY'],
        rows: walk.map(({ group, priority, matched, why }) => [
          group,
          String(priority),
          { text: matched ? 'yes' : 'no', tone: matched ? 'good' : 'quiet' },
          why,
        ]),
        empty: 'no rule was looked at',
      },
      colours,
    )
    return `\n${nic} ${direction}: ${verdict}\n${table}`
  })
  return `${sentence}\n${walks.join('')}`
}
