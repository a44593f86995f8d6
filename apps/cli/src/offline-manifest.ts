import { checkManifest, checkRouters, type Manifest, networkOfManifests } from '@purlin/schema'
import { checkDocuments, formatProblems, locateProblems, readManifest } from '@purlin/sdk'
import type { Cli } from './cli.ts'
import { documentsOf, ManifestRefused, textOf } from './manifest-file.ts'

/** Reads a manifest that must stand by itself: whatever it names, it holds. No agent is asked.
 *  Errors: ManifestRefused, CommandFailure where the file cannot be read. */
export async function readOfflineManifest(cli: Cli, file: string): Promise<readonly Manifest[]> {
  const fileName = file === '-' ? 'stdin' : file
  const manifest = readManifest(await textOf(cli, file), fileName)
  const documents = documentsOf(manifest)
  const checked = checkManifest(documents)
  if (manifest.problems.length === 0 && checked.manifests !== undefined) {
    const misrouted = checkRouters(networkOfManifests(checked.manifests))
    if (misrouted.length === 0) return checked.manifests
    throw new ManifestRefused(formatProblems(fileName, locateProblems(manifest, misrouted)))
  }
  // Without its unreadable documents the manifest lacks names that it really has.
  const isWhole = manifest.problems.length === 0
  const problems = isWhole ? checked.problems : checkDocuments(documents)
  throw new ManifestRefused(formatProblems(fileName, locateProblems(manifest, problems)))
}
