import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../repository.ts'
import type { Progress } from '../setup/progress.ts'
import { bmAgentContents, servedPackages } from './bare-metal.ts'
import { packageContents } from './contents.ts'
import { makeDeb } from './deb.ts'
import { makeRpm } from './rpm.ts'
import { packageVersion, stage } from './stage.ts'

/** Makes every package as .deb and .rpm in `output` and gives their paths. The native parts must be
 *  built. */
export async function makePackages(output: string, progress: Progress): Promise<readonly string[]> {
  const version = await packageVersion()
  await mkdir(output, { recursive: true })
  await mkdir(cacheFolder, { recursive: true })
  const staging = await mkdtemp(join(cacheFolder, 'package-'))
  const made: string[] = []
  try {
    await progress.step('bundles', () => stage(staging, version))
    for (const contents of packageContents(version)) {
      const { name } = contents
      made.push(
        await progress.step(`${name}.deb`, () => makeDeb(contents, version, staging, output)),
      )
      made.push(
        await progress.step(`${name}.rpm`, () => makeRpm(contents, version, staging, output)),
      )
      // The daemon, whose packages come last, carries the agent's.
      if (name === bmAgentContents.name) {
        for (const served of servedPackages(version)) {
          await copyFile(join(output, served), join(staging, served))
        }
      }
    }
    return made
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}
