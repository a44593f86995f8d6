import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { positiveNumber, withChangeOptions } from '../options.ts'
import {
  type ChangeFlags,
  changePool,
  type PoolDisk,
  type PoolSpec,
  withDisk,
} from './change-pool.ts'

interface DiskFlags extends ChangeFlags {
  readonly path: string
  readonly server?: string
  readonly sizeGib?: number
  readonly media?: PoolDisk['media']
  readonly by?: string
  readonly off?: true
}

/** The verbs of `purlin disk` that change a pool’s disks. */
export function addDiskLife(group: Command, cli: Cli): void {
  withDiskOptions(
    withChangeOptions(
      group
        .command('add')
        .description('add a disk to a pool, as the pool’s expand says')
        .argument('<pool>')
        .argument('<name>')
        .requiredOption('--server <server>', 'the server it is in'),
    ),
  ).action(async (pool: string, name: string, flags: DiskFlags) => {
    await changePool(cli, pool, flags, (spec) => {
      refuseTaken(spec, name)
      return { ...spec, disks: [...spec.disks, diskOf(name, flags.server ?? '', flags)] }
    })
  })
  withDiskOptions(
    withChangeOptions(
      group
        .command('replace')
        .description('put another disk in the place of one, which is emptied or was lost')
        .argument('<pool>')
        .argument('<name>', 'the old one')
        .requiredOption('--by <name>', 'the new one')
        .option('--server <server>', 'the server it is in; that of the old one when left out'),
    ),
  ).action(async (pool: string, name: string, flags: DiskFlags) => {
    await changePool(cli, pool, flags, (spec) => {
      const by = flags.by ?? ''
      refuseTaken(spec, by)
      return withDisk(spec, name, ({ server }) => ({
        ...diskOf(by, flags.server ?? server, flags),
        replaces: name,
      }))
    })
  })
  withChangeOptions(
    group
      .command('remove')
      .description('empty a disk and take it out of its pool')
      .argument('<pool>')
      .argument('<name>'),
  ).action(async (pool: string, name: string, flags: ChangeFlags) => {
    await changePool(cli, pool, flags, (spec) => {
      const { disks } = withDisk(spec, name, (disk) => disk)
      return { ...spec, disks: disks.filter((disk) => disk.name !== name) }
    })
  })
  const uses = [
    ['evacuate', 'evacuated', 'empty a disk, which stays in its pool'],
    ['maintain', 'maintenance', 'let no operation go to a disk, and move nothing because of it'],
  ] as const
  for (const [verb, use, description] of uses) {
    withChangeOptions(
      group
        .command(verb)
        .description(description)
        .argument('<pool>')
        .argument('<name>')
        .option('--off', 'use it again'),
    ).action(async (pool: string, name: string, { off, ...flags }: DiskFlags) => {
      await changePool(cli, pool, flags, (spec) =>
        withDisk(spec, name, ({ use: _before, ...disk }) =>
          off === true ? disk : { ...disk, use },
        ),
      )
    })
  }
}

function withDiskOptions(command: Command): Command {
  return command
    .requiredOption('--path <path>', 'a file or a block device')
    .option('--size-gib <gib>', 'how large its file is made where there is none', positiveNumber)
    .option('--media <media>', 'hdd, ssd or nvme; the host finds it out when left out')
}

function diskOf(name: string, server: string, { path, sizeGib, media }: DiskFlags): PoolDisk {
  return {
    name,
    server,
    path: resolve(path),
    ...(sizeGib !== undefined && { sizeGiB: sizeGib }),
    ...(media !== undefined && { media }),
  }
}

function refuseTaken({ disks }: PoolSpec, name: string): void {
  if (disks.every((disk) => disk.name !== name)) return
  throw new CommandFailure(`the pool has a disk ${name} already`, exitCodes.refused)
}
