import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type HostTree, hostTree } from '../../src/index.ts'

/** Files of a host by their paths: the text of each, or where a symbolic link leads. */
export type Recording = Readonly<Record<string, string | { readonly to: string }>>

/** A recording as files on disk, until it is disposed of. */
export interface RecordedTree extends AsyncDisposable {
  readonly tree: HostTree
  write(path: string, text: string): Promise<void>
}

/** Writes a recording into a folder of its own. */
export async function recordedTree(recording: Recording): Promise<RecordedTree> {
  const root = await mkdtemp(join(tmpdir(), 'purlin-tree-'))
  const write = async (path: string, text: string): Promise<void> => {
    const file = join(root, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  for (const [path, entry] of Object.entries(recording)) {
    if (typeof entry === 'string') await write(path, entry)
    else {
      await mkdir(join(root, entry.to), { recursive: true })
      await mkdir(dirname(join(root, path)), { recursive: true })
      await symlink(join(root, entry.to), join(root, path))
    }
  }
  return {
    tree: hostTree(root),
    write,
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  }
}
