import type { RevisionOptions } from '@purlin/sdk'
import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { withChangeOptions, withWaitOptions } from '../options.ts'
import { printTask } from './apply.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'
import { makeAnew } from './made-anew.ts'
import { printExtents, withSince } from './volume-history.ts'

/** `purlin snapshot` */
export function addSnapshot(program: Command, cli: Cli): void {
  const group = program.command('snapshot').description('snapshots of volumes')
  group
    .command('list')
    .description('all snapshots')
    .action(() => printResources(cli, 'Snapshot', undefined))
  group
    .command('show')
    .description('a snapshot with its conditions and events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'Snapshot', name))
  withWaitOptions(
    group
      .command('create')
      .description('keep what a volume holds now')
      .argument('<name>')
      .requiredOption('--volume <volume>', 'the volume'),
  ).action(async (name: string, flags: { volume: string } & WaitOptions) => {
    const manifest = { kind: 'Snapshot', name, spec: { volume: flags.volume } } as const
    const put = (options: RevisionOptions) =>
      cli.client.resources('Snapshot').put(manifest, options)
    await makeAnew(cli, `Snapshot ${name}`, put, flags)
  })
  withSince(
    group.command('extents').description('the parts that hold something, or that differ'),
  ).action(async (name: string, options: { readonly since?: string }) => {
    await printExtents(cli, cli.client.snapshots.extents(name, options))
  })
  withChangeOptions(
    group
      .command('delete')
      .description('delete a snapshot that no volume begins as')
      .argument('<name>'),
  ).action(async (name: string, flags: { ifRevision?: number } & WaitOptions) => {
    const { ifRevision } = flags
    const revision = { ...(ifRevision !== undefined && { ifRevision }) }
    const handle = await cli.client.resources('Snapshot').delete(name, revision)
    printTask(cli, await cli.finish(handle, flags))
  })
}
