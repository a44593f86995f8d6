import { PurlinError } from '@purlin/base'
import type { Task } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { documentsOf, readManifestFile, withLines } from '../manifest-file.ts'
import {
  filesBeside,
  missingUploads,
  sendUploads,
  uploadProblems,
  viewOf,
} from '../manifest-side.ts'
import { METAL_TIMEOUT_SECONDS, oneFile, withWaitOptions } from '../options.ts'
import type { Table } from '../output/table.ts'
import { taskCell } from '../output/words.ts'

interface ApplyFlags extends WaitOptions {
  readonly file?: string
  readonly upload: boolean
}

/** `purlin apply` */
export function addApply(program: Command, cli: Cli): void {
  withWaitOptions(
    program
      .command('apply')
      .description('apply a manifest, all or nothing')
      .argument('[file]', 'the manifest; - is standard input')
      .option('-f, --file <file>', 'the manifest; - is standard input')
      .option('--no-upload', 'bare metal: leave ISOs and images out'),
  ).action(async (positional: string | undefined, options: ApplyFlags, command: Command) => {
    const manifest = await readManifestFile(cli, oneFile(positional, options.file))
    const view = viewOf(cli, documentsOf(manifest))
    const [handle, uploads] = await withLines(manifest, async (documents) => {
      const beside = await filesBeside(view, manifest, documents)
      const missing = beside && options.upload ? await missingUploads(view, beside.uploads) : []
      if (missing.length > 0) throw new PurlinError('PUR_INVALID', uploadProblems(missing))
      const files = beside && { files: beside.files }
      return [await view.daemon.apply(documents, { ...files }), beside?.uploads ?? []] as const
    })
    if (options.upload) await sendUploads(view, uploads)
    const patient = view.side === 'bare-metal' && !isTimeoutGiven(command)
    const timeout = patient ? METAL_TIMEOUT_SECONDS : options.timeout
    printTask(cli, await view.finish(handle, { ...options, timeout }))
  })
}

function isTimeoutGiven(command: Command): boolean {
  return command.getOptionValueSource('timeout') === 'cli'
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
