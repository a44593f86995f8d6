import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { positiveNumber, wholeNumber } from '../options.ts'
import { type TopOrder, topOrders, topPage } from '../views/top-page.ts'
import { trafficTable } from '../views/traffic-table.ts'

interface TrafficFlags {
  readonly sort: 'rate' | 'bytes' | 'dropped'
  readonly of?: 'port' | 'port-group' | 'uplink'
  readonly count: number
}

interface TopFlags {
  readonly sort: TopOrder
  readonly count: number
  readonly interval: number
  readonly once?: true
}

const DEFAULT_ROWS = 20
const DEFAULT_INTERVAL_SECONDS = 2
/** ECMA-48: to the first cell of the screen; what is right of the cursor, and below it, goes. */
const HOME = '\u001b[H'
const ERASE_REST_OF_LINE = '\u001b[K'
const ERASE_BELOW = '\u001b[J'

/** `purlin top` */
export function addTop(program: Command, cli: Cli): void {
  const top = program.command('top').description('what is used most')
  top
    .command('now', { isDefault: true })
    .description('hosts and machines by what they use now; on a terminal again and again')
    .addOption(new Option('--sort <figure>', 'order of machines').choices(topOrders).default('cpu'))
    .option('--count <rows>', 'how many machines at most', wholeNumber, DEFAULT_ROWS)
    .option('--interval <seconds>', 'how often', positiveNumber, DEFAULT_INTERVAL_SECONDS)
    .option('--once', 'show it once, also on a terminal')
    .action((flags: TopFlags) => showTop(cli, flags))
  top
    .command('net')
    .description('ports, port groups and uplinks of this host by what passes through them')
    .addOption(
      new Option('--sort <figure>', 'by what they are ordered')
        .choices(['rate', 'bytes', 'dropped'])
        .default('rate'),
    )
    .addOption(new Option('--of <subject>', 'only these').choices(['port', 'port-group', 'uplink']))
    .option('--count <rows>', 'how many at most', wholeNumber, DEFAULT_ROWS)
    .action(async ({ sort, of, count }: TrafficFlags) => {
      const found = await cli.client.network.traffic()
      cli.print(found, () => trafficTable(found.items, { sort, of, count }))
    })
}

async function showTop(cli: Cli, { sort, count, interval, once }: TopFlags): Promise<void> {
  const { stdout, clock, signal } = cli.streams
  const options = { sort, count, colours: cli.colours }
  if (!stdout.isTerminal || once === true || cli.output !== 'table') {
    const pool = await cli.client.pool.show()
    cli.print(pool, () => topPage(pool, options))
    return
  }
  // Lines are written over where they stand: a cleared screen would flicker.
  for (;;) {
    const page = topPage(await cli.client.pool.show(), options)
    const lines = page.split('\n').map((line) => `${line}${ERASE_REST_OF_LINE}`)
    stdout.write(`${HOME}${lines.join('\n')}${ERASE_BELOW}`)
    if (signal.aborted) return
    await clock.sleep(interval * 1_000, signal).catch(() => undefined)
    if (signal.aborted) return
  }
}
