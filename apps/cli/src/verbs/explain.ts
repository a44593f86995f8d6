import {
  explainRouted,
  networkOfManifests,
  type PacketExplanation,
  type PacketQuestion,
  type PolicyChange,
} from '@purlin/schema'
import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { readOfflineManifest } from '../offline-manifest.ts'
import { wholeNumber } from '../options.ts'
import { renderTable } from '../output/table.ts'
import { coloured } from '../output/tone.ts'
import { protocolOf } from '../rule-flags.ts'
import { commandOf } from '../views/change-command.ts'
import { liveEndText, liveText } from '../views/live-packet.ts'
import { answerBatch } from './explain-batch.ts'

interface PacketFlags {
  readonly from?: string
  readonly to?: string
  readonly proto?: string
  readonly port?: number
  readonly sourcePort?: number
  readonly family?: 'ipv4' | 'ipv6'
  readonly icmpType?: number
  readonly icmpCode?: number
  readonly state: 'new' | 'established'
  readonly file?: string
  readonly packets?: string
  readonly live?: true
}

/** `purlin explain packet` */
export function addExplain(program: Command, cli: Cli): void {
  program
    .command('explain')
    .description('why things are as they are')
    .command('packet')
    .description('why a packet passes or not, and what would let it pass')
    .option('--from <end>', 'a NIC (web-1, web-1/eth0) or an address')
    .option('--to <end>', 'a NIC or an address')
    .option('--proto <protocol>', 'tcp, udp, sctp, icmp or a number')
    .option('--port <port>', 'destination port', wholeNumber)
    .option('--source-port <port>', 'source port', wholeNumber)
    .addOption(new Option('--family <family>').choices(['ipv4', 'ipv6']))
    .option('--icmp-type <number>', 'ICMP type', wholeNumber)
    .option('--icmp-code <number>', 'ICMP code', wholeNumber)
    .addOption(new Option('--state <state>').choices(['new', 'established']).default('new'))
    .option('-f, --file <file>', 'by this manifest alone: no agent is asked, no privilege needed')
    .option('--packets <file>', 'with -f: a question a line as JSON, answered a line each')
    .option(
      '--live',
      'compare with the kernel, by a packet that nobody gets; exit code 1 if it differs',
    )
    .action(async (flags: PacketFlags) => {
      if (flags.live === true && flags.file !== undefined) {
        throw new CommandFailure('--live asks the kernel, -f asks nobody', exitCodes.usage)
      }
      if (flags.packets !== undefined) {
        await answerBatch(cli, flags.file, flags.packets)
        return
      }
      const question = questionOf(flags)
      const answer = await answerOf(cli, question, flags)
      cli.print(answer, () => explanationText(answer, cli.colours))
      if (answer.live !== undefined && answer.live.outcome !== 'agrees') {
        cli.exitCode = exitCodes.failed
      }
    })
}

async function answerOf(
  cli: Cli,
  question: PacketQuestion,
  { file, live }: PacketFlags,
): Promise<PacketExplanation> {
  if (live === true) return await cli.client.explainPacketLive(question)
  if (file === undefined) return await cli.client.explainPacket(question)
  const manifests = await readOfflineManifest(cli, file)
  const { desiredOfManifest, explainPacket } = await import('@purlin/netfilter')
  const desired = desiredOfManifest(manifests)
  return explainRouted(networkOfManifests(manifests), question, (asked) =>
    explainPacket(desired, asked),
  )
}

function questionOf(flags: PacketFlags): PacketQuestion {
  const { from, to, proto, port, sourcePort, family, icmpType, icmpCode, state } = flags
  if (from === undefined || to === undefined || proto === undefined) {
    const message = 'give --from, --to and --proto, or -f MANIFEST with --packets FILE'
    throw new CommandFailure(message, exitCodes.usage)
  }
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

/** The sentence, the walk through the lists of each end, and what would let a refused packet pass.
 *  Pure. */
export function explanationText(
  { sentence, path, ends, smallestChange, live: whole }: PacketExplanation,
  colours: boolean,
): string {
  const walks = ends.map(({ nic, direction, verdict, walk, live }) => {
    const table = renderTable(
      {
        columns: ['GROUP', 'PRIORITY', 'ID', 'MATCHED', 'WHY'],
        rows: walk.map(({ group, priority, id, matched, why }) => [
          group,
          String(priority),
          id ?? '',
          { text: matched ? 'yes' : 'no', tone: matched ? 'good' : 'quiet' },
          why,
        ]),
        empty: 'no rule was looked at',
      },
      colours,
    )
    const shown = coloured(verdict, verdict === 'allow' ? 'good' : 'bad', colours)
    return `\n${nic} ${direction}: ${shown}\n${table}${liveEndText(live, verdict, colours)}`
  })
  const texts = [walks.join(''), liveText(whole, colours), changeText(smallestChange, colours)]
  return `${sentence}\n${pathText(path)}${texts.join('')}`
}

/** The way of the packet, a place a line; nothing where it stays in its network. */
function pathText(path: PacketExplanation['path']): string {
  return (path?.hops ?? []).map((hop) => `  ${hop.sentence}\n`).join('')
}

function changeText(changes: readonly PolicyChange[] | undefined, colours: boolean): string {
  if (changes === undefined) return ''
  const lines = changes.flatMap((change) => {
    const command = commandOf(change)
    const others = change.alsoAllows.join(', ')
    return [
      `  ${change.nic} ${change.direction}: ${change.sentence}`,
      ...(others === '' ? [] : [`    such packets then also pass at ${others}`]),
      ...(command === undefined ? [] : [`    ${coloured(command, 'quiet', colours)}`]),
    ]
  })
  return `\nsmallest change that lets it pass:\n${lines.join('\n')}\n`
}
