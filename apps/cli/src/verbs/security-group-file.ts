import { readFile, writeFile } from 'node:fs/promises'
import { PurlinError } from '@purlin/base'
import {
  type ImportFormat,
  type ImportPlan,
  importFormats,
  type RuleFormat,
  type RuleImport,
  ruleFormats,
} from '@purlin/schema'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure } from '../exit-codes.ts'
import { ManifestRefused } from '../manifest-file.ts'
import { withChangeOptions } from '../options.ts'
import { renderTable } from '../output/table.ts'
import { listTable } from '../views/rule-table.ts'
import { printTask } from './apply.ts'

/** How a file of rules is to be understood. */
export interface ImportFlags {
  readonly format?: ImportFormat
  readonly replace?: true
  readonly keepRedundant?: true
  readonly map?: Readonly<Record<string, string>>
  readonly from?: string
}

interface ImportVerbFlags extends ImportFlags, WaitOptions {
  readonly dryRun?: true
  readonly ifRevision?: number
}

/** `purlin sg export`, `import` */
export function addSecurityGroupFile(group: Command, cli: Cli): void {
  group
    .command('export')
    .description('print the rules of a group as a file that import takes back exactly')
    .argument('<group>')
    .addOption(new Option('--format <format>', 'its form').choices(ruleFormats))
    .option('--file <file>', 'write it there instead of standard output')
    .action((name: string, flags: { format?: RuleFormat; file?: string }) =>
      exportFile(cli, name, flags),
    )
  withChangeOptions(
    withImportOptions(
      group
        .command('import')
        .description('check a file of rules as a whole, then add its rules to a group')
        .argument('<group>')
        .argument('<file>', 'the file; - is standard input'),
    ).option('--dry-run', 'check, and show what would be; nothing is applied'),
  ).action((name: string, file: string, flags: ImportVerbFlags) =>
    importFile(cli, name, file, flags),
  )
}

/** Adds the options that say how a file of rules is to be understood. */
export function withImportOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--format <format>', 'its form; else told by the file').choices(importFormats),
    )
    .option('--replace', 'instead of the rules there are')
    .option('--keep-redundant', 'take rules that are there twice or can never match, too')
    .option(
      '--map <name=name>',
      'a group of the file and its name here (or self); may be repeated',
      mapped,
    )
    .option('--from <group>', 'which group of a file that has several')
}

/** One `NAME=NAME` more. */
function mapped(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.lastIndexOf('=')
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError('must be NAME=NAME.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

async function exportFile(
  cli: Cli,
  name: string,
  { format, file }: { format?: RuleFormat; file?: string },
): Promise<void> {
  const chosen = format ?? (cli.output === 'yaml' ? 'yaml' : 'json')
  const text = await cli.client.securityGroups.exportRules(name, chosen)
  if (file === undefined) {
    cli.streams.stdout.write(text)
    return
  }
  try {
    await writeFile(file, text)
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new CommandFailure(`${file}: cannot be written: ${found}`)
  }
  cli.say(`${file}: the rules of ${name} as ${chosen}`)
}

async function importFile(
  cli: Cli,
  name: string,
  file: string,
  flags: ImportVerbFlags,
): Promise<void> {
  const request = await importRequest(cli, file, flags)
  const { ifRevision } = flags
  await withFileLines(request.fileName ?? file, async () => {
    if (flags.dryRun) {
      const plan = await cli.client.securityGroups.planImport(name, request)
      sayNotes(cli, request.fileName ?? file, plan)
      cli.print(plan, () => planText(plan, cli.colours))
      return
    }
    const handle = await cli.client.securityGroups.importRules(name, request, {
      ...(ifRevision !== undefined && { ifRevision }),
    })
    printTask(cli, await cli.finish(handle, flags))
  })
}

/** What an import of the file asks for. Errors: CommandFailure where it cannot be read. */
export async function importRequest(
  cli: Cli,
  file: string,
  { format, replace, keepRedundant, map, from }: ImportFlags,
): Promise<RuleImport> {
  return {
    text: await textOf(cli, file),
    fileName: file === '-' ? 'stdin' : file,
    ...(format && { format }),
    ...(replace && { replace }),
    ...(keepRedundant && { keepRedundant }),
    ...(map && { groups: map }),
    ...(from !== undefined && { from }),
  }
}

/** Carries out a call about a file of rules; problems that have a line become lines of text. */
export async function withFileLines<Value>(
  fileName: string,
  call: () => Promise<Value>,
): Promise<Value> {
  try {
    return await call()
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    if (!thrown.problems.some(({ line }) => line !== undefined)) throw thrown
    throw new ManifestRefused(
      thrown.problems.map(
        ({ line = 1, path, message }) => `${fileName}:${line}: ${path || 'file'}: ${message}`,
      ),
    )
  }
}

function sayNotes(cli: Cli, fileName: string, { notes }: ImportPlan): void {
  for (const { line, path, message } of notes) cli.say(`${fileName}:${line}: ${path}: ${message}`)
}

/** What an import would do: the counts, then both lists as they would be. Pure. */
export function planText(plan: ImportPlan, colours: boolean): string {
  const { add, remove, format, allowWithinGroup, inbound, outbound } = plan
  const counts = (['inbound', 'outbound'] as const).map(
    (direction) => `${direction} ${add[direction]} added, ${remove[direction]} removed`,
  )
  const head = `${format}: ${counts.join('; ')}; nothing was applied`
  return `${head}\n${renderTable(listTable({ allowWithinGroup, inbound, outbound }), colours)}`
}

async function textOf(cli: Cli, file: string): Promise<string> {
  if (file === '-') return await cli.streams.readStdin()
  try {
    return await readFile(file, 'utf8')
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new CommandFailure(`${file}: cannot be read: ${found}`)
  }
}
