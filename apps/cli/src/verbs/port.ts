import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { historyTable } from '../views/traffic-table.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'
import { addPortMove } from './port-move.ts'

/** `purlin port` */
export function addPort(program: Command, cli: Cli): void {
  const group = program.command('port').description('ports of machines on switches')
  group
    .command('list')
    .description('all ports')
    .action(() => printResources(cli, 'Port', undefined))
  group
    .command('show')
    .description('a port with its conditions and events')
    .argument('<name>', 'MACHINE.NIC')
    .action((name: string) => printDescription(cli, 'Port', name))
  addPortMove(group, cli)
  group
    .command('history')
    .description('what a port of this host passed over the last day')
    .argument('<name>', 'MACHINE.NIC')
    .action(async (name: string) => {
      const found = await cli.client.network.history('port', name)
      cli.print(found, () => historyTable(found))
    })
}
