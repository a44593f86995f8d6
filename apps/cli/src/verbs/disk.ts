import type { Resource } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure } from '../exit-codes.ts'
import { sizeText } from '../output/byte-progress.ts'
import type { Table } from '../output/table.ts'
import { poolStatus, type SeenDisk } from '../views/pool-health.ts'
import { addDiskLife } from './disk-life.ts'

/** A disk as its pool wants it and as it is seen there. */
interface PoolDisk {
  readonly pool: string
  readonly name: string
  readonly server: string
  readonly path: string
  /** Absent: it is not in the pool. */
  readonly seen?: SeenDisk
}

/** `purlin disk` */
export function addDisk(program: Command, cli: Cli): void {
  const group = program.command('disk').description('disks of storage pools')
  group
    .command('list')
    .description('all disks, or those of a pool')
    .option('--pool <pool>', 'of this pool')
    .action(async ({ pool }: { pool?: string }) => {
      const disks = disksOf(await poolsOf(cli, pool))
      cli.print(disks, () => table(disks))
    })
  group
    .command('show')
    .description('one disk')
    .argument('<pool>')
    .argument('<name>')
    .action(async (pool: string, name: string) => {
      const disk = disksOf(await poolsOf(cli, pool)).find((one) => one.name === name)
      if (disk === undefined) throw new CommandFailure(`pool ${pool} has no disk ${name}`)
      cli.print(disk, () => table([disk]))
    })
  addDiskLife(group, cli)
}

async function poolsOf(
  cli: Cli,
  name: string | undefined,
): Promise<readonly Resource<'StoragePool'>[]> {
  const pools = cli.client.resources('StoragePool')
  return name === undefined ? await pools.list() : [await pools.get(name)]
}

function disksOf(pools: readonly Resource<'StoragePool'>[]): readonly PoolDisk[] {
  return pools.flatMap((pool) =>
    pool.spec.disks.map(({ name, server, path }) => {
      const seen = poolStatus(pool).disks?.find((disk) => disk.name === name)
      return { pool: pool.name, name, server, path, ...(seen && { seen }) }
    }),
  )
}

function table(disks: readonly PoolDisk[]): Table {
  return {
    columns: ['POOL', 'DISK', 'SERVER', 'STATE', 'SIZE', 'USED', 'ERRORS', 'PATH'],
    rows: disks.map(({ pool, name, server, path, seen }) => [
      pool,
      name,
      server,
      seen === undefined
        ? { text: 'not in the pool', tone: 'bad' }
        : { text: seen.state, tone: seen.state === 'online' ? 'good' : 'bad' },
      seen === undefined ? '' : sizeText(seen.sizeBytes),
      seen === undefined ? '' : sizeText(seen.usedBytes),
      String(seen?.errors ?? ''),
      path,
    ]),
    empty: 'no disks',
  }
}
