import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { withWaitOptions } from '../options.ts'
import { printTask } from './apply.ts'

/** `purlin state` */
export function addState(program: Command, cli: Cli): void {
  const state = program.command('state').description('the desired state as a whole')
  state
    .command('backup')
    .description('write a consistent copy of the state to a file')
    .argument('<file>')
    .action(async (file: string) => {
      await cli.daemon.backupState(file)
      cli.print({ file }, () => `${file}\n`)
    })
  withWaitOptions(
    state
      .command('restore')
      .description('bring the resources of a backup back, all or nothing')
      .argument('<file>'),
  ).action(async (file: string, options: WaitOptions) => {
    const handle = await cli.daemon.restoreState(file)
    printTask(cli, await cli.finish(handle, options))
  })
}
