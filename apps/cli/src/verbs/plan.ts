import type { PlanAnswer } from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { exitCodes } from '../exit-codes.ts'
import { documentsOf, readManifestFile, withLines } from '../manifest-file.ts'
import { filesBeside, viewOf } from '../manifest-side.ts'
import { oneFile } from '../options.ts'
import { oneLine } from '../output/table.ts'
import { coloured } from '../output/tone.ts'

/** `purlin plan` */
export function addPlan(program: Command, cli: Cli): void {
  program
    .command('plan')
    .description('show what a manifest would change; exit code 3 where anything differs')
    .argument('[file]', 'the manifest; - is standard input; none: what the host still has to do')
    .option('-f, --file <file>', 'the manifest; - is standard input')
    .action(async (positional: string | undefined, options: { file?: string }) => {
      const plan = await planOf(cli, positional, options.file)
      cli.print(plan, () => planText(plan, cli.colours))
      if (plan.changes.length + plan.steps.length > 0) cli.exitCode = exitCodes.differs
      else if (plan.unread.length > 0) cli.exitCode = exitCodes.failed
    })
}

async function planOf(
  cli: Cli,
  positional: string | undefined,
  option: string | undefined,
): Promise<PlanAnswer> {
  if (positional === undefined && option === undefined) return await cli.daemon.plan([])
  const manifest = await readManifestFile(cli, oneFile(positional, option))
  const view = viewOf(cli, documentsOf(manifest))
  return await withLines(manifest, async (documents) => {
    const files = await filesBeside(view, manifest, documents)
    return await view.daemon.plan(documents, { ...(files && { files: files.files }) })
  })
}

const SIGNS = {
  create: { sign: '+', tone: 'good' },
  update: { sign: '~', tone: 'careful' },
  delete: { sign: '-', tone: 'bad' },
} as const

/** The plan for a reader: each change with its fields, then the steps. Pure. */
export function planText({ changes, steps, unread }: PlanAnswer, colours: boolean): string {
  if (changes.length + steps.length + unread.length === 0) return 'nothing differs\n'
  const changeLines = changes.flatMap(({ action, kind, name, fields }) => {
    const { sign, tone } = SIGNS[action]
    return [
      coloured(`${sign} ${kind} ${name}`, tone, colours),
      ...fields.map(
        ({ path, before, after }) => `    ${path}: ${valueText(before)} -> ${valueText(after)}`,
      ),
    ]
  })
  const width = Math.max(0, ...steps.map(({ lane }) => lane.length))
  const stepLines = steps.map(({ lane, summary }) => `  ${lane.padEnd(width)}  ${oneLine(summary)}`)
  const lines = [
    ...changeLines,
    ...(changes.length > 0 && steps.length > 0 ? [''] : []),
    ...(steps.length > 0 ? ['steps on the host:', ...stepLines] : []),
    ...unread.map(({ lane, reason }) =>
      coloured(`${lane} could not be looked at: ${oneLine(reason)}`, 'careful', colours),
    ),
  ]
  return `${lines.join('\n')}\n`
}

function valueText(value: unknown): string {
  return value === undefined || value === null ? '(absent)' : oneLine(JSON.stringify(value))
}
