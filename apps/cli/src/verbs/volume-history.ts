import type { Resource } from '@purlin/schema'
import type { Extent, RevisionOptions } from '@purlin/sdk'
import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { withChangeOptions, withWaitOptions } from '../options.ts'
import { sizeText } from '../output/byte-progress.ts'
import type { Table } from '../output/table.ts'
import { printTask } from './apply.ts'
import { makeAnew } from './made-anew.ts'

const GIB = 2 ** 30

interface CloneFlags extends WaitOptions {
  readonly from: string
  readonly pool?: string
  readonly linked?: true
}

/** The verbs of `purlin volume` about what a volume was and comes from. */
export function addVolumeHistory(group: Command, cli: Cli): void {
  withWaitOptions(
    group
      .command('clone')
      .description('make a volume that begins as a snapshot is')
      .argument('<name>')
      .requiredOption('--from <snapshot>', 'the snapshot')
      .option('--pool <pool>', 'its pool; that of the snapshot when left out')
      .option('--linked', 'share the blocks of the snapshot, in its pool'),
  ).action(async (name: string, flags: CloneFlags) => {
    const pool = flags.pool ?? (await poolOfSnapshot(cli, flags.from))
    const clone = flags.linked === true ? 'linked' : 'independent'
    const source = { snapshot: flags.from, clone } as const
    const manifest = { kind: 'Volume', name, spec: { pool, source } } as const
    const put = (options: RevisionOptions) => cli.client.volumes.put(manifest, options)
    await makeAnew(cli, `Volume ${name}`, put, flags)
  })
  withChangeOptions(
    group
      .command('flatten')
      .description('let a clone depend on its snapshot no more')
      .argument('<name>'),
  ).action(async (name: string, flags: WaitOptions & { readonly ifRevision?: number }) => {
    const { labels, spec, status, revision } = await cli.client.volumes.get(name)
    const { source, ...rest } = spec
    if (source === undefined) {
      throw new CommandFailure(`volume ${name} is no clone of a snapshot`, exitCodes.refused)
    }
    const sizeGiB = Number(status.sizeBytes ?? (spec.sizeGiB ?? 0) * GIB) / GIB
    const manifest = {
      kind: 'Volume',
      name,
      ...(labels !== undefined && { labels }),
      spec: { ...rest, sizeGiB },
    } as const
    const ifRevision = flags.ifRevision ?? revision
    const handle = await cli.client.volumes.put(manifest, { ifRevision })
    printTask(cli, await cli.finish(handle, flags))
  })
  group
    .command('rollback')
    .description('make a volume that nobody uses what one of its snapshots is')
    .argument('<name>')
    .requiredOption('--to <snapshot>', 'the snapshot')
    .action(async (name: string, { to }: { readonly to: string }) => {
      const answer = await cli.client.volumes.rollback(name, to)
      cli.print(answer, () => `volume ${name} is what snapshot ${to} is\n`)
    })
  withSince(
    group.command('extents').description('the parts that hold something, or that differ'),
  ).action(async (name: string, options: { readonly since?: string }) => {
    await printExtents(cli, cli.client.volumes.extents(name, options))
  })
}

/** Adds what a verb about extents is told. */
export function withSince(command: Command): Command {
  return command
    .argument('<name>')
    .option('--since <snapshot>', 'only what may differ from this older snapshot')
}

/** Prints extents as a table, or as a list of objects. */
export async function printExtents(cli: Cli, extents: AsyncIterable<Extent>): Promise<void> {
  const listed = await Array.fromAsync(extents)
  cli.print(listed, () => extentTable(listed))
}

function extentTable(extents: readonly Extent[]): Table {
  return {
    columns: ['OFFSET', 'LENGTH', 'SIZE'],
    rows: extents.map(({ offset, length }) => [String(offset), String(length), sizeText(length)]),
    empty: 'no extents',
  }
}

async function poolOfSnapshot(cli: Cli, name: string): Promise<string> {
  const snapshot: Resource<'Snapshot'> = await cli.client.snapshots.get(name)
  const { spec } = await cli.client.volumes.get(snapshot.spec.volume)
  return spec.pool
}
