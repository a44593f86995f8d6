import { readdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'

/** The seam to what the kernel tells in /proc and /sys, and to files beside them. Nothing here
 *  writes, and what cannot be read is absent: a device may go while it is looked at, and some
 *  files answer only in some states. */
export interface HostTree {
  /** Text of a file, without blanks at its ends; undefined where it cannot be read. */
  text(path: string): Promise<string | undefined>
  /** Names in a folder, in order; none where it cannot be read. */
  list(path: string): Promise<readonly string[]>
  /** Where a path leads when every symbolic link is followed; undefined where it leads nowhere. */
  resolve(path: string): Promise<string | undefined>
}

/** The tree below a folder: the host's own, or one that was recorded. */
export function hostTree(root = '/'): HostTree {
  const base = root === '/' ? '' : root
  const at = (path: string): string => join(base, path)
  return {
    text: async (path) => {
      const text = await readFile(at(path), 'utf8').catch(() => undefined)
      return text?.trim()
    },
    list: async (path) => (await readdir(at(path)).catch((): string[] => [])).toSorted(),
    resolve: async (path) => {
      const found = await realpath(at(path)).catch(() => undefined)
      return found?.slice(base.length)
    },
  }
}

/** A whole number in a file; undefined where there is none, or a negative one, as the kernel says
 *  that it does not know. */
export async function numberAt(tree: HostTree, path: string): Promise<number | undefined> {
  const text = await tree.text(path)
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** The last name of where a path leads. */
export async function nameAt(tree: HostTree, path: string): Promise<string | undefined> {
  return (await tree.resolve(path))?.split('/').at(-1)
}

/** A text of the hardware's own, as reports have it: one line, bounded; undefined where it is
 *  empty. Pure. */
export function wordOf(text: string | undefined): string | undefined {
  const word = text
    ?.replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, 256)
  return word === undefined || word === '' ? undefined : word
}
