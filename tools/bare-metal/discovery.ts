/** Builds the discovery system of this clone, with drivers of simulated chassis, into
 *  `.purlin/discovery`; what is up to date by its key is left alone:
 *  `node tools/bare-metal/discovery.ts` */
import { createHash } from 'node:crypto'
import { glob, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { buildDiscoverySystem } from '@purlin/discovery-system'
import { nodePath } from '../native/build.ts'
import { repository } from '../repository.ts'

const folder = join(repository, '.purlin/discovery')
const keyFile = join(folder, 'key')

/** Of the builder's own sources and of the program inside: the packages may be older than the
 *  mirror's without harm. */
async function keyOfInputs(): Promise<string> {
  const sources = join(repository, 'libs/discovery-system/src')
  const files = (await Array.fromAsync(glob('**/*.ts', { cwd: sources }))).toSorted()
  const hash = createHash('sha256').update(await readFile(nodePath))
  for (const file of files.filter((name) => !name.endsWith('.test.ts'))) {
    hash.update(file).update(await readFile(join(sources, file)))
  }
  return hash.digest('hex')
}

try {
  const key = await keyOfInputs()
  if ((await readFile(keyFile, 'utf8').catch(() => '')) !== key) {
    const cache = join(repository, '.purlin/discovery-packages')
    await buildDiscoverySystem({ out: folder, cache, drivers: 'virtual', purlinNode: nodePath })
    await writeFile(keyFile, key)
  }
} catch (thrown) {
  if (!(thrown instanceof PurlinError)) throw thrown
  process.stderr.write(`purlin: ${thrown.message}\n`)
  process.exitCode = 1
}
