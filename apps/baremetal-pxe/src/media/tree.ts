import { createHash } from 'node:crypto'
import { chmod, lstat, readdir, readlink, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { hostile, refuseOutside } from './listing.ts'

/** The files of an extracted tree. */
export interface Tree {
  readonly paths: ReadonlySet<string>
  readonly sizeBytes: number
  /** Of every path with its size: it tells whether the tree is still whole. */
  readonly digest: string
}

/** Walks a tree and refuses whatever is not a file, a folder, or a link that stays inside: the
 *  listing was read by another program than the disk. Errors: PUR_MEDIA_HOSTILE. */
export async function walkTree(title: string, folder: string): Promise<Tree> {
  const root = await realpath(folder)
  const paths = new Set<string>()
  const digest = createHash('sha256')
  let sizeBytes = 0
  const walk = async (below: string): Promise<void> => {
    const entries = await readdir(join(root, below), { withFileTypes: true })
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      const absolute = join(root, path)
      if (entry.isDirectory()) {
        // Folders of an ISO are read-only, and could not be removed by an ordinary user.
        await chmod(absolute, 0o755)
        await walk(path)
      } else if (entry.isSymbolicLink()) {
        refuseOutside(title, path, await readlink(absolute))
        const real = await realpath(absolute).catch(() => root)
        if (real !== root && !real.startsWith(`${root}${sep}`)) {
          throw hostile(title, `${path} leads to ${real}, outside of its tree`)
        }
      } else if (entry.isFile()) {
        const { size } = await lstat(absolute)
        paths.add(path)
        sizeBytes += size
        digest.update(`${path}\0${size}\n`)
      } else {
        throw hostile(title, `${path} is no file, folder or link`)
      }
    }
  }
  await walk('')
  return { paths, sizeBytes, digest: digest.digest('hex') }
}
