import type { Task } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { readManifestFile, withLines } from '../manifest-file.ts'
import { oneFile, withWaitOptions } from '../options.ts'
import type { Table } from '../output/table.ts'
import { taskCell } from '../output/words.ts'

/** `purlin apply` */
export function addApply(program: Command, cli: Cli): void {
  withWaitOptions(
    program
      .command('apply')
      .description('apply a manifest, all or nothing')
      .argument('[file]', 'the manifest; - is standard input')
      .option('-f, --file <file>', 'the manifest; - is standard input'),
  ).action(async (positional: string | undefined, options: WaitOptions & { file?: string }) => {
    const manifest = await readManifestFile(cli, oneFile(positional, options.file))
    const handle = await withLines(manifest, (documents) => cli.client.apply(documents))
    printTask(cli, await cli.finish(handle, options))
  })
}

/** Prints what a task was about and how it stands. */
export function printTask(cli: Cli, task: Task): void {
  cli.print(task, (): Table => {
    const state = taskCell(task)
    return {
      columns: ['KIND', 'NAME', 'TASK', 'STATE'],
      rows: task.targets.map(({ kind, name }) => [kind, name, task.id, state]),
      empty: `task ${task.id}: ${task.state}; there was nothing to do`,
    }
  })
}
