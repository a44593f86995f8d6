import test from 'ava'
import fc from 'fast-check'
import { type ArchiveEntry, cpioArchive } from './cpio.ts'

interface Read {
  readonly path: string
  readonly mode: number
  readonly fields: readonly number[]
  readonly content: Buffer
}

/** Reads an archive as the kernel does: head, name, content, each padded to four bytes. */
function readArchive(archive: Buffer): readonly Read[] {
  const read: Read[] = []
  for (let at = 0; ; ) {
    if (archive.toString('latin1', at, at + 6) !== '070701') throw new Error(`no head at ${at}`)
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    const fields = Array.from({ length: 13 }, (_, index) => field(index))
    const [, mode = 0, , , , , sizeBytes = 0] = fields
    const nameBytes = fields[11] ?? 0
    const path = archive.toString('utf8', at + 110, at + 110 + nameBytes - 1)
    const start = at + Math.ceil((110 + nameBytes) / 4) * 4
    if (path === 'TRAILER!!!') return read
    read.push({ path, mode, fields, content: archive.subarray(start, start + sizeBytes) })
    at = start + Math.ceil(sizeBytes / 4) * 4
  }
}

const file = (path: string, text: string): ArchiveEntry => ({
  ...{ path, mode: 0o644, content: Buffer.from(text) },
})

test('files, folders and links come in the order of their paths, with the folders above', (t) => {
  const archive = cpioArchive([
    file('etc/purlin/ca.pem', 'PEM'),
    { path: 'bin', kind: 'link', target: 'usr/bin' },
    { path: 'run', kind: 'folder', mode: 0o700 },
  ])
  const read = readArchive(archive).map(({ path, mode, content }) => [
    path,
    mode.toString(8),
    content.toString(),
  ])
  t.deepEqual(read, [
    ['bin', '120777', 'usr/bin'],
    ['etc', '40755', ''],
    ['etc/purlin', '40755', ''],
    ['etc/purlin/ca.pem', '100644', 'PEM'],
    ['run', '40700', ''],
  ])
})

test('everything is of root and of time 0, and equal entries make equal bytes', (t) => {
  const name = fc.stringMatching(/^[a-z]{1,9}$/)
  const entry = fc.record({ name, bytes: fc.uint8Array({ maxLength: 40 }) })
  const list = fc.uniqueArray(entry, { selector: (one) => one.name, maxLength: 12 })
  fc.assert(
    fc.property(list, (files) => {
      const entries = files.map(({ name, bytes }): ArchiveEntry => {
        return { path: name, mode: 0o600, content: Buffer.from(bytes) }
      })
      const archive = cpioArchive(entries)
      const read = readArchive(archive)
      t.true(read.every(({ fields }) => fields[2] === 0 && fields[3] === 0 && fields[5] === 0))
      const contents = read.map(({ path, content }) => [path, [...content]] as const)
      const expected = files.map(({ name, bytes }) => [name, [...bytes]] as const)
      t.deepEqual(
        contents,
        expected.toSorted(([one], [other]) => (one < other ? -1 : 1)),
      )
      t.true(archive.equals(cpioArchive(entries.toReversed())))
    }),
    { seed: 7, numRuns: 200 },
  )
})

test('paths that lead out of an archive are refused', (t) => {
  for (const path of ['/etc/passwd', '../x', 'a/../b', 'a//b', '.', '']) {
    t.throws(() => cpioArchive([file(path, '')]), { message: /no path inside an archive/ })
  }
})
