import { readFile } from 'node:fs/promises'
import { PurlinError } from '@purlin/base'
import {
  checkDocuments,
  formatProblems,
  locateProblems,
  type ReadManifest,
  readManifest,
} from '@purlin/sdk'
import type { Cli } from './cli.ts'
import { withWholePaths } from './disk-paths.ts'
import { CommandFailure } from './exit-codes.ts'
import { viewOf } from './manifest-side.ts'

/** A manifest that was refused: one line a problem. */
export class ManifestRefused extends Error {
  override readonly name = 'ManifestRefused'
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(`${lines.length === 1 ? '1 problem' : `${lines.length} problems`}; nothing was applied`)
    this.lines = lines
  }
}

/** A question beside the matter: long enough for an agent that is there, short for one that is
 *  not. */
const SECOND_OPINION_MS = 5_000

/** Reads the manifest in `file` (`-`: standard input) and checks what is certain without the agent.
 *  Where that finds problems, the agent is asked for more, so that all of them are told at once.
 *  Errors: ManifestRefused, CommandFailure where the file cannot be read. */
export async function readManifestFile(cli: Cli, file: string): Promise<ReadManifest> {
  const fileName = file === '-' ? 'stdin' : file
  const manifest = readManifest(await textOf(cli, file), fileName)
  const documents = documentsOf(manifest)
  const problems = checkDocuments(documents)
  if (manifest.problems.length === 0 && problems.length === 0) return manifest
  // Without its unreadable documents the manifest lacks names that it really has.
  const more = manifest.problems.length === 0 ? await secondOpinion(cli, documents) : []
  const located = locateProblems(manifest, [...problems, ...more])
  throw new ManifestRefused(formatProblems(fileName, located))
}

/** The documents as they are sent. Pure. */
export function documentsOf(manifest: ReadManifest): readonly unknown[] {
  return manifest.documents.map(({ value }) => withWholePaths(value, manifest.fileName))
}

/** Carries out `call` with the manifest; problems that the agent finds get their lines. */
export async function withLines<Value>(
  manifest: ReadManifest,
  call: (documents: readonly unknown[]) => Promise<Value>,
): Promise<Value> {
  try {
    return await call(documentsOf(manifest))
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.problems.length === 0) throw thrown
    const located = locateProblems(manifest, thrown.problems)
    throw new ManifestRefused(formatProblems(manifest.fileName, located))
  }
}

async function secondOpinion(cli: Cli, documents: readonly unknown[]) {
  try {
    await viewOf(cli, documents).daemon.plan(documents, {
      checkFirst: false,
      attempts: 1,
      deadlineMs: SECOND_OPINION_MS,
    })
    return []
  } catch (thrown) {
    return thrown instanceof PurlinError ? thrown.problems : []
  }
}

/** The text of a manifest. Errors: CommandFailure where the file cannot be read. */
export async function textOf(cli: Cli, file: string): Promise<string> {
  if (file === '-') return await cli.streams.readStdin()
  try {
    return await readFile(file, 'utf8')
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new CommandFailure(`${file}: cannot be read: ${found}`)
  }
}
