import type { RuleHit } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import type { Table } from '../output/table.ts'

/** `purlin sg hits` */
export function addSecurityGroupHits(group: Command, cli: Cli): void {
  group
    .command('hits')
    .description('what each rule has decided on this host since its list was loaded')
    .argument('[group]', 'of this group alone')
    .action(async (name: string | undefined) => {
      const items = await cli.client.enforcement.hits(name)
      cli.print(items, () => hitTable(items))
    })
}

/** A rule a row, with what it has counted. Pure. */
export function hitTable(items: readonly RuleHit[]): Table {
  return {
    columns: ['DIRECTION', 'GROUP', 'PRIORITY', 'ID', 'PACKETS', 'BYTES'],
    rows: items.map(({ direction, type, group, priority, id, name, packets, bytes }) => [
      direction,
      group ?? '',
      priority === undefined ? (name ?? type) : String(priority),
      id ?? '',
      packets === 0 ? { text: '0', tone: 'quiet' } : String(packets),
      String(bytes),
    ]),
    empty: 'no rule is in force here',
  }
}
