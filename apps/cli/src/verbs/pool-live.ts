import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { withChangeOptions } from '../options.ts'
import { poolPicture } from '../views/pool-picture.ts'
import { printTask } from './apply.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'

/** The verbs of `purlin pool` that ask the agent. */
export function addPoolLive(group: Command, cli: Cli): void {
  group
    .command('list')
    .description('all pools')
    .action(() => printResources(cli, 'StoragePool', undefined))
  group
    .command('show')
    .description('a pool as a tree: where its disks stand, how full and how well they are')
    .argument('<name>')
    .action(async (name: string) => {
      const pool = await cli.client.resources('StoragePool').get(name)
      cli.print(pool, () => poolPicture(pool, cli.colours))
    })
  group
    .command('describe')
    .description('a pool with its conditions and events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'StoragePool', name))
  withChangeOptions(
    group
      .command('delete')
      .description('delete a pool that has no volumes; its disks keep what is on them')
      .argument('<name>'),
  ).action(async (name: string, flags: { ifRevision?: number } & WaitOptions) => {
    const { ifRevision } = flags
    const revision = { ...(ifRevision !== undefined && { ifRevision }) }
    const handle = await cli.client.resources('StoragePool').delete(name, revision)
    printTask(cli, await cli.finish(handle, flags))
  })
}
