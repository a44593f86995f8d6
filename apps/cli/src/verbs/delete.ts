import { PurlinError } from '@purlin/base'
import {
  checkDocument,
  type Kind,
  kindNames,
  type Manifest,
  referencesOf,
  type Task,
} from '@purlin/schema'
import type { Command } from 'commander'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { documentsOf, readManifestFile } from '../manifest-file.ts'
import { viewOf } from '../manifest-side.ts'
import { kindNamed, withWaitOptions } from '../options.ts'
import { taskCell } from '../output/words.ts'

interface Target {
  readonly kind: Kind
  readonly name: string
}

/** `purlin delete` */
export function addDelete(program: Command, cli: Cli): void {
  withWaitOptions(
    program
      .command('delete')
      .description('delete a resource, or everything a manifest names')
      .argument('[kind]', 'a kind, its plural or short form')
      .argument('[name]')
      .option('-f, --file <file>', 'delete the resources of this manifest; - is standard input'),
  ).action(
    async (
      word: string | undefined,
      name: string | undefined,
      options: WaitOptions & { file?: string },
    ) => {
      const byFile = options.file !== undefined
      const { view, targets } = byFile
        ? await targetsOfFile(cli, options.file ?? '', word)
        : { view: cli, targets: [targetOf(word, name)] }
      const tasks: Task[] = []
      for (const target of targets) {
        const task = await remove(view, target, options, byFile)
        if (task !== undefined) tasks.push(task)
      }
      cli.print(byFile ? tasks : tasks[0], () => ({
        columns: ['KIND', 'NAME', 'TASK', 'STATE'],
        rows: tasks.flatMap((task) =>
          task.targets.map((target) => [target.kind, target.name, task.id, taskCell(task)]),
        ),
        empty: 'nothing was there to delete',
      }))
    },
  )
}

function targetOf(word: string | undefined, name: string | undefined): Target {
  if (word === undefined || name === undefined) {
    throw new CommandFailure('give KIND NAME, or -f FILE', exitCodes.usage)
  }
  return { kind: kindNamed(word), name }
}

async function targetsOfFile(
  cli: Cli,
  file: string,
  word: string | undefined,
): Promise<{ readonly view: Cli; readonly targets: readonly Target[] }> {
  if (word !== undefined) {
    throw new CommandFailure('KIND NAME and -f FILE exclude each other', exitCodes.usage)
  }
  const manifest = await readManifestFile(cli, file)
  const manifests = documentsOf(manifest).map((document) => checkDocument(document).manifest)
  const targets = deletionOrder(manifests.filter((each) => each !== undefined))
  return { view: viewOf(cli, documentsOf(manifest)), targets }
}

/** What names others goes before what is named, so that no step leaves a reference behind. Groups
 *  that name each other keep their order; the agent says which reference is in the way. Pure. */
export function deletionOrder(manifests: readonly Manifest[]): readonly Target[] {
  const ordered: Manifest[] = []
  const waiting = manifests.toSorted(
    (a, b) => kindNames.indexOf(b.kind) - kindNames.indexOf(a.kind),
  )
  while (waiting.length > 0) {
    const free = waiting.findIndex((one) => !waiting.some((other) => refersTo(other, one)))
    ordered.push(...waiting.splice(Math.max(0, free), 1))
  }
  return ordered.map(({ kind, name }) => ({ kind, name }))
}

function refersTo(from: Manifest, to: Manifest): boolean {
  if (from === to) return false
  return referencesOf(from).some(({ kind, name }) => kind === to.kind && name === to.name)
}

async function remove(
  cli: Cli,
  { kind, name }: Target,
  options: WaitOptions,
  missingIsFine: boolean,
): Promise<Task | undefined> {
  const collection = cli.resources(kind)
  if (collection.delete === undefined) {
    throw new CommandFailure(`${kind} is written by the agent alone`, exitCodes.usage)
  }
  try {
    const handle = await collection.delete(name)
    return await cli.of(kind).finish(handle, options)
  } catch (thrown) {
    const missing = thrown instanceof PurlinError && thrown.code === 'PUR_RESOURCE_MISSING'
    if (!missing || !missingIsFine) throw thrown
    cli.say(`${kind} ${name}: was not there`)
    return undefined
  }
}
