import type { Event } from '@purlin/schema'
import { type Command, Option } from 'commander'
import { stringify } from 'yaml'
import type { Cli } from '../cli.ts'
import { wholeNumber } from '../options.ts'
import { oneLine } from '../output/table.ts'
import { coloured } from '../output/tone.ts'
import { timeText } from '../output/words.ts'

const TONES = { notice: undefined, warning: 'careful', critical: 'bad' } as const

/** `purlin events` */
export function addEvents(program: Command, cli: Cli): void {
  program
    .command('events')
    .description('show events as they happen, one a line')
    .option('--after <sequence>', 'begin behind this event; 0: the oldest kept', wholeNumber)
    .addOption(new Option('--follow', 'go on as events happen').default(true))
    .option('--no-follow', 'end behind the last event there is')
    .action(async ({ after, follow }: { after?: number; follow: boolean }) => {
      const { signal, stdout } = cli.streams
      // Without following, "from now on" would always be nothing.
      const from = after ?? (follow ? undefined : 0)
      const options = { follow, signal, ...(from !== undefined && { after: from }) }
      for await (const event of cli.daemon.events(options)) stdout.write(eventText(event, cli))
    })
}

/** A stream has no end to wait for, so each event is printed by itself: a line, a line of JSON,
 *  or a document of YAML. */
function eventText(event: Event, { output, colours }: Cli): string {
  if (output === 'json') return `${JSON.stringify(event)}\n`
  if (output === 'yaml') return `---\n${stringify(event)}`
  const { sequence, atMs, type, severity, subject, message } = event
  const words = [
    timeText(atMs),
    String(sequence),
    coloured(severity.padEnd(8), TONES[severity], colours),
    oneLine(type),
    oneLine(`${subject.kind}/${subject.name}`),
    oneLine(message),
  ]
  return `${words.join(' ')}\n`
}
