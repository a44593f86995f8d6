import type { Task } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { DEFAULT_TIMEOUT_SECONDS, positiveNumber } from '../options.ts'
import { oneLine } from '../output/table.ts'
import { taskCell, timeText } from '../output/words.ts'

const TARGETS_SHOWN = 3

/** `purlin task` */
export function addTask(program: Command, cli: Cli): void {
  const task = program.command('task').description('work that was asked for')
  task
    .command('list')
    .description('tasks, newest first')
    .action(async () => {
      const tasks = await cli.daemon.tasks.list()
      cli.print(tasks, () => ({
        columns: ['ID', 'VERB', 'STATE', 'DONE', 'CREATED', 'TARGETS'],
        rows: tasks.map((one) => [
          one.id,
          one.verb,
          taskCell(one),
          `${one.progress.done}/${one.progress.total}`,
          timeText(one.createdAtMs),
          targetsText(one),
        ]),
        empty: 'no task',
      }))
    })
  task
    .command('show')
    .description('one task')
    .argument('<id>')
    .action(async (id: string) => print(cli, await cli.daemon.tasks.get(id)))
  task
    .command('wait')
    .description('wait for the end of a task')
    .argument('<id>')
    .option('--timeout <seconds>', 'how long to wait', positiveNumber, DEFAULT_TIMEOUT_SECONDS)
    .action(async (id: string, { timeout }: { timeout: number }) => {
      const handle = await cli.daemon.tasks.handle(id)
      print(cli, await cli.finish(handle, { wait: true, timeout }))
    })
  task
    .command('cancel')
    .description('give a task up')
    .argument('<id>')
    .action(async (id: string) => print(cli, await cli.daemon.tasks.cancel(id)))
}

function print(cli: Cli, task: Task): void {
  cli.print(task, () => {
    const { id, verb, state, progress, problem, createdAtMs, endedAtMs, targets } = task
    const fields: [string, string][] = [
      ['Id', id],
      ['Verb', verb],
      ['State', state],
      ['Progress', `${progress.done}/${progress.total} ${progress.text}`],
      ...(problem ? [['Problem', `${problem.detail} (${problem.code})`] as [string, string]] : []),
      ['Created', timeText(createdAtMs)],
      ...(endedAtMs === undefined ? [] : [['Ended', timeText(endedAtMs)] as [string, string]]),
      ...targets.map(({ kind, name }): [string, string] => ['Target', `${kind}/${name}`]),
    ]
    return fields.map(([title, text]) => `${`${title}:`.padEnd(10)}${oneLine(text)}\n`).join('')
  })
}

function targetsText({ targets }: Task): string {
  const shown = targets.slice(0, TARGETS_SHOWN).map(({ kind, name }) => `${kind}/${name}`)
  const more = targets.length - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
