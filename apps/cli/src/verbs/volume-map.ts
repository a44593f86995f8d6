import { run } from '@purlin/base'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { Table } from '../output/table.ts'

/** What is mapped again at boot. */
const FILE = '/var/lib/purlin/mapped-volumes.json'

interface Mapped {
  readonly volume: string
  readonly socket: string
  readonly device: string
}

/** `purlin volume map|unmap`: volumes as block devices of the host it runs on. */
export function addVolumeMap(group: Command, cli: Cli): void {
  const maps = async () => {
    const { blockDaemonProgram, mappedVolumes } = await import('@purlin/storage')
    return mappedVolumes({
      ...{ run, clock: cli.streams.clock, file: FILE, program: blockDaemonProgram() },
      ...{ devicesFolder: '/sys/block', nodesFolder: '/dev' },
    })
  }
  group
    .command('map')
    .description('make a volume a block device of this host, /dev/purlin/NAME, also after a boot')
    .argument('[name]', 'a volume; without one, what is mapped')
    .option('--all', 'map what was mapped before the host was started')
    .action(async (name: string | undefined, { all }: { readonly all?: true }) => {
      if (all === true) {
        await restore(cli, await (await maps()).restore())
        return
      }
      if (name === undefined) {
        const mapped = await (await maps()).list()
        cli.print(mapped, () => table(mapped))
        return
      }
      const { status } = await cli.client.volumes.get(name)
      await refuseMachines(cli, name)
      if (typeof status.socket !== 'string') {
        throw new CommandFailure(`volume ${name} is not served on this host`)
      }
      const mapped = await (await maps()).map(name, status.socket)
      cli.print(mapped, () => `${mapped.device}\n`)
    })
  group
    .command('unmap')
    .description('take the block device of a volume away')
    .argument('<name>')
    .action(async (name: string) => {
      await (await maps()).unmap(name)
      cli.print({ volume: name }, () => '')
    })
}

/** What a machine and the host both wrote would be mixed. */
async function refuseMachines(cli: Cli, volume: string): Promise<void> {
  const machines = await cli.client.virtualMachines.list()
  const user = machines.find(({ spec }) => spec.disks.some((disk) => disk.volume === volume))
  if (user === undefined) return
  const message = `volume ${volume} is a disk of machine ${user.name}; map a clone of it`
  throw new CommandFailure(message, exitCodes.refused)
}

async function restore(
  cli: Cli,
  done: readonly { readonly volume: string; readonly error?: Error }[],
): Promise<void> {
  const failed = done.filter(({ error }) => error !== undefined)
  for (const { error } of failed) cli.say(error?.message ?? '')
  if (failed.length > 0) cli.exitCode = exitCodes.failed
  const answer = done.map(({ volume, error }) => ({ volume, mapped: error === undefined }))
  cli.print(answer, () => answer.map(({ volume, mapped }) => line(volume, mapped)).join(''))
}

function line(volume: string, mapped: boolean): string {
  return `${volume}: ${mapped ? 'mapped' : 'not mapped'}\n`
}

function table(mapped: readonly Mapped[]): Table {
  return {
    columns: ['VOLUME', 'DEVICE', 'SOCKET'],
    rows: mapped.map(({ volume, device, socket }) => [volume, device, socket]),
    empty: 'no volumes are mapped',
  }
}
