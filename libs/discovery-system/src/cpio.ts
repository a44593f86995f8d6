/** One entry of an initial file system. Shape: `path` is relative, without `.` or `..`; the content
 *  of a link is where it leads, a folder has none. */
export type ArchiveEntry =
  | {
      readonly path: string
      readonly kind?: 'file'
      readonly mode: number
      readonly content: Buffer
    }
  | { readonly path: string; readonly kind: 'folder'; readonly mode: number }
  | { readonly path: string; readonly kind: 'link'; readonly target: string }

const HEADER_BYTES = 110
const TYPE_FILE = 0o100_000
const TYPE_FOLDER = 0o040_000
const TYPE_LINK = 0o120_000

/** A cpio archive of the form newc that the kernel unpacks as (a part of) its initial file system:
 *  entries in the order of their paths, missing folders added, all owned by root, all of time 0, so
 *  that equal entries make equal bytes. Pure. Throws for a path that leaves the archive.
 *  Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst. */
export function cpioArchive(entries: readonly ArchiveEntry[]): Buffer {
  const all = new Map<string, ArchiveEntry>()
  for (const entry of entries) {
    const parts = entry.path.split('/')
    if (parts.some((part) => part === '' || part === '.' || part === '..')) {
      throw new Error(`${entry.path}: no path inside an archive`)
    }
    for (let depth = 1; depth < parts.length; depth++) {
      const path = parts.slice(0, depth).join('/')
      if (!all.has(path)) all.set(path, { path, kind: 'folder', mode: 0o755 })
    }
    all.set(entry.path, entry)
  }
  const ordered = [...all.values()].sort((one, other) => (one.path < other.path ? -1 : 1))
  const chunks = ordered.flatMap((entry, index) => {
    const content = contentOf(entry)
    return [header(entry.path, modeOf(entry), index + 1, content.length), ...padded(content)]
  })
  chunks.push(header('TRAILER!!!', 0, 0, 0))
  return Buffer.concat(chunks)
}

function contentOf(entry: ArchiveEntry): Buffer {
  if (entry.kind === 'folder') return Buffer.alloc(0)
  return entry.kind === 'link' ? Buffer.from(entry.target) : entry.content
}

function modeOf(entry: ArchiveEntry): number {
  if (entry.kind === 'folder') return TYPE_FOLDER | entry.mode
  return entry.kind === 'link' ? TYPE_LINK | 0o777 : TYPE_FILE | entry.mode
}

/** Header and name, ended by NUL and padded to four bytes together. */
function header(path: string, mode: number, inode: number, sizeBytes: number): Buffer {
  const name = Buffer.from(`${path}\0`)
  const links = mode === 0 || (mode & TYPE_FOLDER) === 0 ? 1 : 2
  // inode, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
  // namesize, check.
  const fields = [inode, mode, 0, 0, links, 0, sizeBytes, 0, 0, 0, 0, name.length, 0]
  const text = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`
  const padding = (4 - ((HEADER_BYTES + name.length) % 4)) % 4
  return Buffer.concat([Buffer.from(text, 'latin1'), name, Buffer.alloc(padding)])
}

function padded(content: Buffer): readonly Buffer[] {
  return [content, Buffer.alloc((4 - (content.length % 4)) % 4)]
}
