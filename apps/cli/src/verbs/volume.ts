import type { Resource } from '@purlin/schema'
import type { RevisionOptions } from '@purlin/sdk'
import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { positiveNumber, wholeNumber, withChangeOptions, withWaitOptions } from '../options.ts'
import { printTask } from './apply.ts'
import { printDescription } from './describe.ts'
import { printResources } from './get.ts'
import { makeAnew } from './made-anew.ts'
import { addVolumeHistory } from './volume-history.ts'
import { addVolumeMap } from './volume-map.ts'

type VolumeSpec = Resource<'Volume'>['spec']
type Limits = NonNullable<VolumeSpec['qos']>

interface VolumeFlags extends Limits {
  readonly pool: string
  readonly sizeGib?: number
  readonly from?: string
  readonly linked?: true
}

interface RevisionFlag {
  readonly ifRevision?: number
}

/** `purlin volume` */
export function addVolume(program: Command, cli: Cli): void {
  const group = program.command('volume').description('volumes of storage pools')
  group
    .command('list')
    .description('all volumes')
    .action(() => printResources(cli, 'Volume', undefined))
  group
    .command('show')
    .description('a volume with its socket, its conditions and events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'Volume', name))
  withLimits(
    withWaitOptions(
      group
        .command('create')
        .description('make a volume: empty, or as a clone of a snapshot')
        .argument('<name>')
        .requiredOption('--pool <pool>', 'the pool it lies in')
        .option('--size-gib <gib>', 'its size; that of the snapshot when left out', positiveNumber)
        .option('--from <snapshot>', 'begin as this snapshot is')
        .option('--linked', 'share the blocks of the snapshot, in its pool'),
    ),
  ).action(async (name: string, flags: VolumeFlags & WaitOptions) => {
    const manifest = { kind: 'Volume', name, spec: specOf(flags) } as const
    const put = (options: RevisionOptions) => cli.client.resources('Volume').put(manifest, options)
    await makeAnew(cli, `Volume ${name}`, put, flags)
  })
  withChangeOptions(
    group
      .command('grow')
      .description('make a volume larger while it is in use')
      .argument('<name>')
      .argument('<gib>', 'its new size', positiveNumber),
  ).action(async (name: string, sizeGiB: number, flags: RevisionFlag & WaitOptions) => {
    await change(cli, name, flags, (spec, status) => {
      const standing = Number(status.sizeBytes ?? (spec.sizeGiB ?? 0) * GIB)
      if (sizeGiB * GIB < standing) {
        const message = `volume ${name} has ${standing / GIB} GiB; a volume never shrinks`
        throw new CommandFailure(message, exitCodes.refused)
      }
      return { ...spec, sizeGiB }
    })
  })
  withLimits(
    withChangeOptions(
      group
        .command('limit')
        .description('change what a volume may use while it is in use; without options: anything')
        .argument('<name>'),
    ),
  ).action(async (name: string, flags: Limits & RevisionFlag & WaitOptions) => {
    await change(cli, name, flags, ({ qos: _before, ...spec }) => ({ ...spec, ...qosOf(flags) }))
  })
  addVolumeHistory(group, cli)
  addVolumeMap(group, cli)
  withChangeOptions(
    group.command('delete').description('delete a volume that has no snapshots').argument('<name>'),
  ).action(async (name: string, flags: RevisionFlag & WaitOptions) => {
    const handle = await cli.client.resources('Volume').delete(name, revisionOf(flags))
    printTask(cli, await cli.finish(handle, flags))
  })
}

const GIB = 2 ** 30

function withLimits(command: Command): Command {
  return command
    .option('--iops <count>', 'requests a second', wholeNumber)
    .option('--iops-burst <count>', 'requests a second of a burst', wholeNumber)
    .option('--read-mibps <mib>', 'MiB read a second', positiveNumber)
    .option('--write-mibps <mib>', 'MiB written a second', positiveNumber)
    .option('--burst-seconds <seconds>', 'how long a burst may last', positiveNumber)
}

function specOf(flags: VolumeFlags): VolumeSpec {
  const { pool, sizeGib, from, linked } = flags
  if (linked === true && from === undefined) {
    throw new CommandFailure('--linked needs --from SNAPSHOT', exitCodes.usage)
  }
  if (sizeGib === undefined && from === undefined) {
    throw new CommandFailure('give --size-gib, or --from SNAPSHOT', exitCodes.usage)
  }
  return {
    pool,
    ...(sizeGib !== undefined && { sizeGiB: sizeGib }),
    ...(from !== undefined && {
      source: { snapshot: from, clone: linked ? 'linked' : 'independent' },
    }),
    ...qosOf(flags),
  }
}

function qosOf(flags: object): { readonly qos?: Limits } {
  const given: Readonly<Record<string, number | undefined>> = { ...flags }
  const fields = [
    ['iops', given.iops],
    ['iopsBurst', given.iopsBurst],
    ['readMiBps', given.readMibps],
    ['writeMiBps', given.writeMibps],
    ['burstSeconds', given.burstSeconds],
  ].filter(([, value]) => value !== undefined)
  return fields.length === 0 ? {} : { qos: Object.fromEntries(fields) }
}

/** Changes the spec as it is now; somebody else's change in between is refused. */
async function change(
  cli: Cli,
  name: string,
  flags: RevisionFlag & WaitOptions,
  next: (spec: VolumeSpec, status: Resource<'Volume'>['status']) => VolumeSpec,
): Promise<void> {
  const collection = cli.client.resources('Volume')
  const { labels, spec, status, revision } = await collection.get(name)
  const manifest = {
    kind: 'Volume',
    name,
    ...(labels !== undefined && { labels }),
    spec: next(spec, status),
  } as const
  const handle = await collection.put(manifest, { ifRevision: flags.ifRevision ?? revision })
  printTask(cli, await cli.finish(handle, flags))
}

function revisionOf({ ifRevision }: RevisionFlag): RevisionOptions {
  return { ...(ifRevision !== undefined && { ifRevision }) }
}
