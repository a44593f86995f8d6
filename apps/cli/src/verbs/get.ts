import type { Kind } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { kindNamed } from '../options.ts'
import { resourceTable } from '../views/resource-table.ts'
import { surroundings } from '../views/surroundings.ts'

/** `purlin get` */
export function addGet(program: Command, cli: Cli): void {
  program
    .command('get')
    .description('show the resources of a kind, or one of them')
    .argument('<kind>', 'a kind, its plural or short form: vm, sg, pg, switch, port, …')
    .argument('[name]')
    .action((word: string, name: string | undefined) => printResources(cli, kindNamed(word), name))
}

/** Prints all resources of the kind, or the one of that name. */
export async function printResources(
  cli: Cli,
  kind: Kind,
  name: string | undefined,
): Promise<void> {
  const collection = cli.resources(kind)
  const one = name === undefined ? undefined : await collection.get(name)
  const listed = one === undefined ? await collection.list() : [one]
  const around = cli.output === 'table' ? await surroundings(cli, kind) : undefined
  cli.print(one ?? listed, () => resourceTable(kind, listed, around, cli.streams.clock.nowMs()))
}
