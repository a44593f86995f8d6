import { posix } from 'node:path'
import { PurlinError } from '@purlin/base'

const ENTRIES_MOST = 300_000
/** Four times a full installation DVD. */
const TREE_BYTES_MOST = 64 * 1024 ** 3

/** What extracting an archive would make. */
export interface ArchiveSize {
  readonly files: number
  readonly sizeBytes: number
}

/** Reads the listing of an archive (mtree(5), as `bsdtar --format=mtree` writes it), and refuses
 *  what no medium has: devices, links that leave the tree, absurd sizes. Pure. Errors:
 *  PUR_MEDIA_HOSTILE. */
export function readListing(title: string, listing: string): ArchiveSize {
  let [files, sizeBytes] = [0, 0]
  for (const line of listing.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [rawPath = '', ...words] = line.split(' ')
    const path = plainText(rawPath)
    const fields = new Map(words.map((word): [string, string] => splitAt(word, '=')))
    const type = fields.get('type')
    if (type === 'link') refuseOutside(title, path, plainText(fields.get('link') ?? ''))
    else if (type === 'file') sizeBytes += Number(fields.get('size') ?? 0)
    else if (type !== 'dir') throw hostile(title, `${path} is a ${type ?? 'thing of no type'}`)
    files += 1
    if (files > ENTRIES_MOST) throw hostile(title, `it holds more than ${ENTRIES_MOST} files`)
    if (!(sizeBytes <= TREE_BYTES_MOST)) {
      throw hostile(title, `its files are larger than ${TREE_BYTES_MOST} bytes together`)
    }
  }
  if (files === 0) throw hostile(title, 'it holds no file')
  return { files, sizeBytes }
}

/** Refuses a symbolic link at `path` whose target is not below the tree, as its text says it.
 *  Errors: PUR_MEDIA_HOSTILE. */
export function refuseOutside(title: string, path: string, target: string): void {
  const resolved = posix.normalize(posix.join(posix.dirname(path), target))
  if (target.startsWith('/') || resolved === '..' || resolved.startsWith('../')) {
    throw hostile(title, `${path} is a link to ${target}, outside of its tree`)
  }
}

/** The error of an archive that is not extracted. */
export function hostile(title: string, found: string): PurlinError {
  return new PurlinError('PUR_MEDIA_HOSTILE', {
    message: `${title}: not extracted: ${found.slice(0, 300)}; take an unchanged medium`,
  })
}

/** mtree writes blanks and what is not ASCII as octal numbers of bytes. */
function plainText(text: string): string {
  if (!text.includes('\\')) return text
  const bytes: number[] = []
  const source = Buffer.from(text, 'latin1')
  for (let index = 0; index < source.length; index++) {
    const octal = /^\\([0-7]{3})/.exec(source.toString('latin1', index, index + 4))
    if (octal?.[1] === undefined) {
      bytes.push(source[index] ?? 0)
      continue
    }
    bytes.push(Number.parseInt(octal[1], 8))
    index += 3
  }
  return Buffer.from(bytes).toString('utf8')
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
