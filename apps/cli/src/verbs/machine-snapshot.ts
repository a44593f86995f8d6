import { freezeWishes } from '@purlin/schema'
import { type Command, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { withWaitOptions } from '../options.ts'
import { resourceTable } from '../views/resource-table.ts'
import { printTask } from './apply.ts'
import { printDescription } from './describe.ts'

interface TakeFlags extends WaitOptions {
  readonly memory?: true
  readonly freeze?: (typeof freezeWishes)[number]
}

interface RevertFlags extends WaitOptions {
  readonly withoutMemory?: true
}

/** `purlin vm snapshot` */
export function addMachineSnapshot(vm: Command, cli: Cli): void {
  const group = vm
    .command('snapshot')
    .description('machines as they were at one instant: all disks, and the memory if asked')
  const snapshots = () => cli.client.machineSnapshots
  group
    .command('list')
    .description('all snapshots of machines, or those of one')
    .argument('[machine]')
    .action(async (machine: string | undefined) => {
      const all = await snapshots().list()
      const listed = all.filter(({ spec }) => !machine || spec.virtualMachine === machine)
      cli.print(listed, () =>
        resourceTable('MachineSnapshot', listed, undefined, cli.streams.clock.nowMs()),
      )
    })
  group
    .command('show')
    .description('a snapshot with its parts, conditions and events')
    .argument('<snapshot>')
    .action((name: string) => printDescription(cli, 'MachineSnapshot', name))
  withWaitOptions(
    group
      .command('create')
      .description('keep a machine as it is; its guest stands still for a moment')
      .argument('<machine>')
      .argument('<snapshot>', 'its name')
      .option('--memory', 'keep its memory, too; the guest stands still while that is written')
      .addOption(
        new Option(
          '--freeze <when>',
          'have the guest write out its file systems first: auto, where its agent answers',
        ).choices(freezeWishes),
      ),
  ).action(async (machine: string, name: string, flags: TakeFlags) => {
    const { memory, freeze } = flags
    const asked = await snapshots().take(machine, name, {
      ...(memory && { memory }),
      ...(freeze && { freeze }),
    })
    printTask(cli, await cli.finish(asked, flags))
  })
  withWaitOptions(
    group
      .command('revert')
      .description('make a stopped machine what it was; with its memory it runs again')
      .argument('<snapshot>')
      .option('--without-memory', 'its disks alone; the machine stays off'),
  ).action(async (name: string, flags: RevertFlags) => {
    const { withoutMemory } = flags
    const asked = await snapshots().revert(name, { ...(withoutMemory && { withoutMemory }) })
    printTask(cli, await cli.finish(asked, flags))
  })
  withWaitOptions(
    group
      .command('delete')
      .description('forget a snapshot; the disks of the machine stay as they are')
      .argument('<snapshot>'),
  ).action(async (name: string, flags: WaitOptions) => {
    printTask(cli, await cli.finish(await snapshots().delete(name), flags))
  })
}
