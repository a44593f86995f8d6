import type { Resource } from '@purlin/schema'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { printTask } from './apply.ts'

export type PoolSpec = Resource<'StoragePool'>['spec']
export type PoolDisk = PoolSpec['disks'][number]

export interface ChangeFlags extends WaitOptions {
  readonly ifRevision?: number
}

/** Changes a pool's spec as it is now; somebody else's change in between is refused. */
export async function changePool(
  cli: Cli,
  name: string,
  { ifRevision, ...flags }: ChangeFlags,
  next: (spec: PoolSpec) => PoolSpec,
): Promise<void> {
  const pools = cli.client.resources('StoragePool')
  const { labels, spec, revision } = await pools.get(name)
  const manifest = {
    kind: 'StoragePool',
    name,
    ...(labels !== undefined && { labels }),
    spec: next(spec),
  } as const
  const handle = await pools.put(manifest, { ifRevision: ifRevision ?? revision })
  printTask(cli, await cli.finish(handle, flags))
}

/** The spec with one disk changed. Errors: there is no such disk. Pure. */
export function withDisk(
  spec: PoolSpec,
  name: string,
  change: (disk: PoolDisk) => PoolDisk,
): PoolSpec {
  if (spec.disks.every((disk) => disk.name !== name)) {
    const known = spec.disks.map((disk) => disk.name).join(', ')
    throw new CommandFailure(`the pool has no disk ${name}; it has ${known}`, exitCodes.refused)
  }
  const disks = spec.disks.map((disk) => (disk.name === name ? change(disk) : disk))
  return { ...spec, disks }
}
