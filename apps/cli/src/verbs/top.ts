import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { wholeNumber } from '../options.ts'
import { trafficTable } from '../views/traffic-table.ts'

interface TopFlags {
  readonly sort: 'rate' | 'bytes' | 'dropped'
  readonly of?: 'port' | 'port-group' | 'uplink'
  readonly count: number
}

const DEFAULT_ROWS = 20

/** `purlin top` */
export function addTop(program: Command, cli: Cli): void {
  const top = program.command('top').description('what of this host is used most')
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
    .action(async ({ sort, of, count }: TopFlags) => {
      const found = await cli.client.network.traffic()
      cli.print(found, () => trafficTable(found.items, { sort, of, count }))
    })
}
