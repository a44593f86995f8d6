import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A key over the contents of files and folders (relative to `repository`) and over `facts`,
 *  such as the compiler's version. Names count too, so a file renamed is a change. A path that
 *  does not exist counts as absent. */
export async function inputKey(
  repository: string,
  paths: readonly string[],
  facts: readonly string[],
): Promise<string> {
  const hash = createHash('sha256')
  for (const fact of facts) hash.update(`fact ${fact}\0`)
  for (const path of paths) {
    for (const file of await filesBelow(repository, path)) {
      hash.update(`file ${file}\0`)
      hash.update(await readFile(join(repository, file)))
      hash.update('\0')
    }
  }
  return hash.digest('hex')
}

async function filesBelow(repository: string, path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(join(repository, path), { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile())
    return files
      .map((entry) => join(entry.parentPath, entry.name).slice(repository.length + 1))
      .sort()
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) return [path]
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
