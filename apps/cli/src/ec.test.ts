import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { run } from '../tests/run.ts'

const SIZE_BYTES = 300_000

/** A folder with a file, its bytes, and the command on its shards; in texts the folder is
 *  FOLDER. */
async function begin(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-ec-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const bytes = Buffer.from(Uint8Array.from({ length: SIZE_BYTES }, (_, i) => (i * i) >> 7))
  const file = join(folder, 'disk.img')
  await writeFile(file, bytes)
  const shards = join(folder, 'shards')
  const ec = async (words: string, options?: Parameters<typeof run>[1]) => {
    const places = words.replaceAll('FILE', file).replaceAll('SHARDS', shards)
    const ended = await run(['ec', ...places.replaceAll('FOLDER', folder).split(' ')], options)
    // The width of columns follows the folder's name, which differs from run to run.
    const hide = (text: string) => text.replaceAll(folder, 'FOLDER').replaceAll(/ {2,}/g, '  ')
    return { ...ended, stdout: hide(ended.stdout), stderr: hide(ended.stderr) }
  }
  return { folder, shards, bytes, ec }
}

test('a file is encoded, its damage is found, repaired, and the file joined again', async (t) => {
  const { folder, shards, bytes, ec } = await begin(t)
  t.snapshot(await ec('encode FILE -k 4 -m 2 --shard-bytes 16K --out SHARDS'))
  await rm(join(shards, 'disk.img.shard-01'))
  const damaged = await open(join(shards, 'disk.img.shard-04'), 'r+')
  await damaged.write(Buffer.from('rotten'), 0, 6, 40_000)
  await damaged.close()
  t.snapshot(await ec('verify SHARDS'))
  t.snapshot(await ec('decode SHARDS --out FOLDER/again'))
  t.true((await readFile(join(folder, 'again'))).equals(bytes))
  t.snapshot(await ec('repair SHARDS'))
  t.snapshot(await ec('verify SHARDS'))
  t.snapshot(await ec('repair SHARDS'))
  await rm(join(folder, 'again'))
  t.is((await ec('restore SHARDS --out FOLDER/again')).exitCode, 0)
  t.true((await readFile(join(folder, 'again'))).equals(bytes))
})

test('in JSON the result is the report of the library', async (t) => {
  const { ec } = await begin(t)
  const made = JSON.parse((await ec('encode FILE -k 8 -m 3 --out SHARDS -o json')).stdout)
  t.like(made, { dataShards: 8, parityShards: 3, technique: 'reed_sol_van', stripes: 1 })
  t.is(made.paths.length, 11)
  const report = JSON.parse((await ec('verify SHARDS -o json')).stdout)
  t.like(report, { whole: true, fileBytes: SIZE_BYTES, encodingId: made.encodingId })
})

test('a terminal sees one bar written over, a pipe a line for each quarter', async (t) => {
  const { ec } = await begin(t)
  const words = 'encode FILE -k 2 -m 1 --shard-bytes 64K --force --out SHARDS'
  const { stderr: bar } = await ec(words, { terminal: true })
  const full = `disk.img [${'#'.repeat(24)}] 100 %  293.0 KiB of 293.0 KiB`
  t.true(bar.includes(`\r\u001b[Kencode FOLDER/${full}`))
  t.true(bar.endsWith('\r\u001b[K'))
  t.false(bar.includes('\n'))
  const { stderr: lines } = await ec(words)
  t.is(
    lines,
    'encode FOLDER/disk.img: 25 %\nencode FOLDER/disk.img: 75 %\nencode FOLDER/disk.img: 100 %\n',
  )
})

test('Ctrl-C ends the work with 130 and leaves no file', async (t) => {
  const { folder, shards, ec } = await begin(t)
  const signal = AbortSignal.abort()
  const ended = await ec('encode FILE -k 4 -m 2 --out SHARDS', { signal })
  t.is(ended.exitCode, 130)
  t.regex(ended.stderr, /nothing was put in place \(PUR_CANCELLED\)\n$/)
  t.deepEqual(await readdir(shards), [])
  t.is((await ec('encode FILE -k 4 -m 2 --out SHARDS')).exitCode, 0)
  t.is((await ec('decode SHARDS --out FOLDER/again', { signal })).exitCode, 130)
  t.deepEqual((await readdir(folder)).sort(), ['disk.img', 'shards'])
})

test('too much damage ends with 1 and names the stripe; nothing is written', async (t) => {
  const { folder, shards, ec } = await begin(t)
  await ec('encode FILE -k 4 -m 2 --out SHARDS')
  for (const shard of [0, 2, 5]) await rm(join(shards, `disk.img.shard-0${shard}`))
  const verified = await ec('verify SHARDS')
  t.is(verified.exitCode, 1)
  t.regex(verified.stdout, /damaged beyond repair in 1 stripes: 0\n$/)
  for (const words of ['repair SHARDS', 'decode SHARDS --out FOLDER/again']) {
    const { exitCode, stderr } = await ec(words)
    t.is(exitCode, 1)
    t.regex(stderr, /stripe 0 .*3 good shards are left and 4 are needed.*PUR_EC_TOO_FEW_SHARDS/)
  }
  t.deepEqual((await readdir(folder)).sort(), ['disk.img', 'shards'])
})

for (const words of [
  'encode FILE',
  'encode FILE -k 4',
  'encode FILE -k 0 -m 2',
  'encode FILE -k 4 -m 256',
  'encode FILE -k 4 -m 2 --shard-bytes 1T',
  'encode FILE -k 4 -m 2 --shard-bytes 65M',
  'encode FILE -k 4 -m 2 --technique liberation',
  'verify',
]) {
  test(`purlin ec ${words} is a wrong usage`, async (t) => {
    const { ec } = await begin(t)
    const { exitCode, stdout } = await ec(words)
    t.deepEqual({ exitCode, stdout }, { exitCode: 2, stdout: '' })
  })
}

test('a shape without a code is refused with the reason', async (t) => {
  const { ec } = await begin(t)
  const refused = await ec('encode FILE -k 22 -m 4 --technique reed_sol_van --out SHARDS')
  t.is(refused.exitCode, 4)
  t.regex(refused.stderr, /its matrix is not MDS there.*use cauchy \(PUR_EC_NOT_MDS\)/)
})
