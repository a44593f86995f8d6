import type { Command } from 'commander'
import type { Cli } from '../../cli.ts'
import { exitCodes } from '../../exit-codes.ts'
import { wholeNumber } from '../../options.ts'
import type { Table } from '../../output/table.ts'
import { timeText } from '../../output/words.ts'
import { printDescription } from '../describe.ts'
import { printResources } from '../get.ts'

const DEFAULT_MINUTES = 15

/** `purlin bm network` */
export function addNetwork(group: Command, cli: Cli): void {
  const network = group.command('network').description('deployment networks')
  network
    .command('list')
    .description('all deployment networks')
    .action(() => printResources(cli, 'DeploymentNetwork', undefined))
  network
    .command('show')
    .description('one of them, with the nodes that nobody knows')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'DeploymentNetwork', name))
  network
    .command('probe')
    .description('look for DHCP servers on it; exit code 1 where a foreign one answers')
    .argument('<name>')
    .action(async (name: string) => {
      const found = await cli.metal.deploymentNetworks.probe(name)
      cli.print(
        found,
        (): Table => ({
          columns: ['SERVER', 'MAC', 'OFFERED', 'WHOSE'],
          rows: found.servers.map(({ address, mac, offered, own }) => [
            address,
            mac ?? '',
            offered ?? '',
            own ? 'ours' : { text: 'foreign', tone: 'bad' },
          ]),
          empty: 'no DHCP server answered',
        }),
      )
      if (found.foreign) cli.exitCode = exitCodes.failed
    })
  network
    .command('enrol')
    .description('answer unknown MACs with discovery for some minutes; 0 ends it')
    .argument('<name>')
    .argument('[minutes]', `${DEFAULT_MINUTES} where it is absent`, wholeNumber, DEFAULT_MINUTES)
    .action(async (name: string, minutes: number) => {
      const answer = await cli.metal.deploymentNetworks.enrol(name, minutes)
      const { untilMs } = answer
      cli.print(answer, () =>
        untilMs === undefined
          ? `${name}: unknown MACs are not answered\n`
          : `${name}: unknown MACs are answered until ${timeText(untilMs)}\n`,
      )
    })
}
