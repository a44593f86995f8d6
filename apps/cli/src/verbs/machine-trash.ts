import type { TrashedMachine } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { withChangeOptions, withWaitOptions } from '../options.ts'
import type { Table } from '../output/table.ts'
import { timeText } from '../output/words.ts'
import { printTask } from './apply.ts'

interface DeleteFlags extends WaitOptions {
  readonly ifRevision?: number
  readonly forGood?: true
}

interface RestoreFlags extends WaitOptions {
  readonly newAddresses?: true
}

/** `purlin vm delete`, `purlin vm trash` */
export function addMachineTrash(vm: Command, cli: Cli): void {
  const trash = () => cli.client.virtualMachines.trash
  withChangeOptions(
    vm
      .command('delete')
      .description('delete a machine; its volumes stay, and it may come back for a while')
      .argument('<name>')
      .option('--for-good', 'it does not go to the trash'),
  ).action(async (name: string, flags: DeleteFlags) => {
    const { ifRevision, forGood } = flags
    const machines = cli.client.virtualMachines
    const { uid } = await machines.get(name)
    const revision = { ...(ifRevision !== undefined && { ifRevision }) }
    const task = await cli.finish(await machines.delete(name, revision), flags)
    if (forGood) await forget(cli, uid)
    printTask(cli, task)
  })
  const group = vm.command('trash').description('machines that were deleted and may come back')
  group
    .command('list')
    .description('all of them, the last one first')
    .action(async () => {
      const items = await trash().list()
      cli.print({ items }, () => trashTable(items))
    })
  withWaitOptions(
    group
      .command('restore')
      .description('bring a machine back, stopped: the same identity, MACs and addresses')
      .argument('<machine>', 'the name it had, or its uid')
      .option('--new-addresses', 'other MACs and addresses for NICs whose own others have by now'),
  ).action(async (machine: string, flags: RestoreFlags) => {
    const { newAddresses } = flags
    const asked = await trash().restore(machine, { ...(newAddresses && { newAddresses }) })
    printTask(cli, await cli.finish(asked, flags))
  })
  group
    .command('empty')
    .description('forget all of them, or one, at once; volumes stay')
    .argument('[machine]', 'the name it had, or its uid')
    .action(async (machine: string | undefined) => {
      const items = await trash().list()
      const gone =
        machine === undefined
          ? items
          : items.filter(({ uid, name }) => uid === machine || name === machine)
      if (machine !== undefined && gone.length === 0) await trash().forget(machine)
      for (const { uid } of gone) await trash().forget(uid)
      cli.print({ items: gone }, () => trashTable(gone))
    })
}

/** With a trash that keeps nothing it is gone already. */
async function forget(cli: Cli, uid: string): Promise<void> {
  const { trash } = cli.client.virtualMachines
  const items = await trash.list()
  if (items.some((one) => one.uid === uid)) await trash.forget(uid)
}

function trashTable(items: readonly TrashedMachine[]): Table {
  return {
    columns: ['NAME', 'UID', 'DELETED', 'KEPT UNTIL', 'DISKS', 'ADDRESSES'],
    rows: items.map(({ name, uid, deletedAtMs, keptUntilMs, disks, addresses }) => [
      name,
      uid,
      timeText(deletedAtMs),
      timeText(keptUntilMs),
      disks.join(', '),
      addresses.join(', '),
    ]),
    empty: 'nothing is in the trash',
  }
}
