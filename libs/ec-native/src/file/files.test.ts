import {
  cp,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError, run } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { noise } from '../../tests/bytes.ts'
import { decodeFiles, encodeFile, repairFiles, verifyFiles } from '../index.ts'

const SHAPE = { dataShards: 4, parityShards: 2, shardBytes: 100 } as const
const FRAME = 64 + SHAPE.shardBytes

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-shards-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

/** An encoded file of `sizeBytes`, alone in its folder with its shards in `shards`. */
async function encoded(t: ExecutionContext, sizeBytes: number, name = 'disk.img') {
  const folder = await folderOf(t)
  const path = join(folder, name)
  const bytes = noise(sizeBytes, sizeBytes + 1)
  await writeFile(path, bytes)
  const shards = join(folder, 'shards')
  const result = await encodeFile(path, { ...SHAPE, folder: shards })
  return { folder, shards, bytes, result, target: join(folder, 'again') }
}

async function rot(path: string, offset: number): Promise<void> {
  await using handle = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await handle.read(byte, 0, 1, offset)
  await handle.write(Buffer.of(byte.readUInt8() ^ 0x10), 0, 1, offset)
}

async function contents(paths: readonly string[]): Promise<string[]> {
  return await Promise.all(paths.map((path) => readFile(path, 'hex')))
}

for (const sizeBytes of [0, 1, 3, 399, 400, 401, 1234]) {
  test(`a file of ${sizeBytes} bytes comes back, also with two shards gone`, async (t) => {
    const { shards, bytes, result, target } = await encoded(t, sizeBytes)
    t.is(result.paths.length, 6)
    t.deepEqual((await readdir(shards)).sort()[5], 'disk.img.shard-05')
    t.like(await verifyFiles([shards]), { whole: true, recoverable: true, notes: [] })
    await rm(result.paths[0] ?? '')
    await rm(result.paths[5] ?? '')
    const decoded = await decodeFiles([shards], target)
    t.true((await readFile(target)).equals(bytes))
    t.deepEqual(decoded.badShards, [0, 5])
  })
}

test('verify says which shard is damaged where, and repair makes the very same files', async (t) => {
  const { shards, result } = await encoded(t, 1234)
  const before = await contents(result.paths)
  const [first = '', second = '', third = '', fourth = ''] = result.paths
  await rot(first, 64 + 64 + 5) // a byte of data in stripe 0
  await rot(second, 64 + FRAME + 20) // the head of stripe 1
  await truncate(third, 64 + 2 * FRAME + 10) // all from stripe 2 on
  await rot(fourth, 30) // the header
  const report = await verifyFiles([shards])
  t.false(report.whole)
  t.true(report.recoverable)
  t.deepEqual(
    report.shards.map(({ state }) => state),
    ['damaged', 'damaged', 'damaged', 'damaged', 'good', 'good'],
  )
  t.deepEqual(report.shards[0]?.faults, [{ shard: 0, stripe: 0, offset: 64, what: 'rotten' }])
  t.deepEqual(report.shards[1]?.faults, [{ shard: 1, stripe: 1, offset: 228, what: 'rotten head' }])
  t.regex(report.shards[2]?.wrong ?? '', /^it is truncated: \d+ of its \d+ bytes are gone$/)
  t.deepEqual(
    report.shards[2]?.faults.map(({ stripe }) => stripe),
    [2, 3],
  )
  t.regex(report.shards[3]?.wrong ?? '', /header is rotten/)
  const { repaired } = await repairFiles([shards])
  t.deepEqual(
    repaired.map(({ shard }) => shard),
    [0, 1, 2, 3],
  )
  t.deepEqual(await contents(result.paths), before)
  t.deepEqual((await readdir(shards)).length, 6)
  t.deepEqual((await repairFiles([shards])).repaired, [])
})

test('swapped names cost nothing: what a file holds is told by the file', async (t) => {
  const { shards, bytes, result, target } = await encoded(t, 1000)
  const [first = '', , third = ''] = result.paths
  await rename(first, `${first}.x`)
  await rename(third, first)
  await rename(`${first}.x`, third)
  const report = await verifyFiles([shards])
  t.true(report.whole)
  t.deepEqual(report.notes.map(({ what }) => what).sort(), [
    'it holds shard 0, though its name tells 2; it was used as what it holds',
    'it holds shard 2, though its name tells 0; it was used as what it holds',
  ])
  await decodeFiles([shards], target)
  t.true((await readFile(target)).equals(bytes))
})

test('files of another encoding are left aside, and refused where neither has more', async (t) => {
  const one = await encoded(t, 1000)
  const other = await encoded(t, 1000)
  await cp(other.result.paths[2] ?? '', one.result.paths[2] ?? '')
  const report = await verifyFiles([one.shards])
  t.is(report.shards[2]?.state, 'missing')
  t.regex(report.notes[0]?.what ?? '', /^it belongs to another encoding \(4\+2, id [0-9a-f]{32}\)/)
  await decodeFiles([one.shards], one.target)
  t.true((await readFile(one.target)).equals(one.bytes))
  await t.throwsAsync(repairFiles([one.shards]), { message: /another file stands there/ })

  const mixed = [...one.result.paths.slice(0, 2), ...other.result.paths.slice(4)]
  await t.throwsAsync(verifyFiles(mixed), { message: /are of 2 encodings with as many shards/ })
})

test('a frame that was copied from elsewhere is not taken for the one that belongs there', async (t) => {
  const { shards, result } = await encoded(t, 1234)
  const [first = '', second = ''] = result.paths
  const bytes = await readFile(first)
  await writeFile(
    first,
    Buffer.concat([
      bytes.subarray(0, 64),
      bytes.subarray(64 + FRAME, 64 + 2 * FRAME),
      bytes.subarray(64 + FRAME),
    ]),
  )
  await writeFile(
    second,
    Buffer.concat([(await readFile(second)).subarray(0, 64), bytes.subarray(64)]),
  )
  const { shards: reports } = await verifyFiles([shards])
  t.deepEqual(reports[0]?.faults, [
    { shard: 0, stripe: 0, offset: 64, what: 'the frame of stripe 1' },
  ])
  t.is(reports[1]?.faults[0]?.what, 'a frame of shard 0')
})

test('whatever up to two shards a stripe lose, repair restores every byte', async (t) => {
  const damages = fc.record({
    sizeBytes: fc.integer({ min: 1, max: 2500 }),
    bad: fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 2 }),
    how: fc.array(fc.constantFrom('gone', 'rot', 'cut', 'empty', 'long', 'scattered'), {
      minLength: 2,
      maxLength: 2,
    }),
    at: fc.nat(5000),
  })
  await fc.assert(
    fc.asyncProperty(damages, async ({ sizeBytes, bad, how, at }) => {
      const { shards, bytes, result, target, folder } = await encoded(t, sizeBytes)
      const before = await contents(result.paths)
      for (const [i, shard] of bad.entries()) {
        const path = result.paths[shard] ?? ''
        const length = (await readFile(path)).length
        if (how[i] === 'gone') await rm(path)
        else if (how[i] === 'rot') await rot(path, at % length)
        else if (how[i] === 'cut') await truncate(path, at % length)
        else if (how[i] === 'empty') await truncate(path, 0)
        else if (how[i] === 'long') await writeFile(path, noise(at), { flag: 'a' })
        else for (let offset = at % 97; offset < length; offset += 97) await rot(path, offset)
      }
      t.true((await verifyFiles([shards])).recoverable)
      await decodeFiles([shards], target)
      t.true((await readFile(target)).equals(bytes))
      await repairFiles([shards])
      t.deepEqual(await contents(result.paths), before)
      await rm(join(folder, 'disk.img'))
    }),
    { numRuns: 40 },
  )
})

test('a stripe with too few good shards is named, and then nothing is written', async (t) => {
  const { shards, folder, result, target } = await encoded(t, 1234)
  for (const path of result.paths.slice(1, 4)) await rot(path, 64 + FRAME + 70)
  const report = await verifyFiles([shards])
  t.like(report, { whole: false, recoverable: false, lostStripeCount: 1, lostStripes: [1] })
  const before = await contents(result.paths)
  const error = {
    instanceOf: PurlinError,
    code: 'PUR_EC_TOO_FEW_SHARDS',
    message:
      'stripe 1 (bytes 400 to 800 of the file) cannot be rebuilt: 3 good shards are left and 4 ' +
      'are needed; shard 1 rotten, shard 2 rotten, shard 3 rotten',
  }
  await t.throwsAsync(repairFiles([shards]), error)
  await t.throwsAsync(decodeFiles([shards], target), error)
  t.deepEqual(await contents(result.paths), before)
  t.deepEqual((await readdir(folder)).sort(), ['disk.img', 'shards'])
  t.is((await readdir(shards)).length, 6)
})

test('what stands there already is replaced only when that was asked for', async (t) => {
  const { folder, shards, target, bytes } = await encoded(t, 500)
  const again = () => encodeFile(join(folder, 'disk.img'), { ...SHAPE, folder: shards })
  await t.throwsAsync(again, { code: 'PUR_EC_SHARD_FILE', message: /is there already/ })
  await writeFile(target, 'mine')
  await t.throwsAsync(decodeFiles([shards], target), { message: /is there already/ })
  t.is(await readFile(target, 'utf8'), 'mine')
  await decodeFiles([shards], target, { replace: true })
  t.true((await readFile(target)).equals(bytes))
})

test('work that is given up leaves no file behind', async (t) => {
  const { folder, shards, target } = await encoded(t, 2000)
  const other = join(folder, 'other')
  const cancelled = { code: 'PUR_CANCELLED' }
  const work = () => {
    const controller = new AbortController()
    return { signal: controller.signal, onProgress: () => controller.abort() }
  }
  const source = join(folder, 'disk.img')
  await t.throwsAsync(encodeFile(source, { ...SHAPE, folder: other, ...work() }), cancelled)
  await t.throwsAsync(decodeFiles([shards], target, work()), cancelled)
  await rm(join(shards, 'disk.img.shard-03'))
  await t.throwsAsync(repairFiles([shards], work()), cancelled)
  t.deepEqual(await readdir(other), [])
  t.deepEqual((await readdir(folder)).sort(), ['disk.img', 'other', 'shards'])
  t.is((await readdir(shards)).length, 5)
})

test('inputs that are no shard files are refused with what they are', async (t) => {
  const { folder, shards, target } = await encoded(t, 100)
  for (const [inputs, message] of [
    [
      [join(folder, 'disk.img')],
      /none of the files given has a shard file’s header: .*no shard file/,
    ],
    [[folder], /holds no file named NAME\.shard-NN/],
    [[join(folder, 'nowhere')], /^cannot read .*nowhere: ENOENT/],
    [[], /no file was given/],
  ] as const) {
    await t.throwsAsync(decodeFiles(inputs, target), { code: 'PUR_EC_SHARD_FILE', message })
  }
  await writeFile(join(shards, 'other.shard-00'), '')
  await t.throwsAsync(verifyFiles([shards]), { message: /shards of disk\.img, other; name those/ })
  await t.throwsAsync(encodeFile(folder, SHAPE), { message: /no regular file/ })
})

const program = new URL('../../tests/encode-program.ts', import.meta.url).pathname
const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
const MIB = 1024 * 1024

test('an encoder that is killed leaves nothing under the names of the shards', async (t) => {
  const folder = await folderOf(t)
  const path = join(folder, 'large')
  await writeFile(path, Buffer.alloc(4 * MIB, 'x'))
  const out = join(folder, 'out')
  const words = [...flags, program, path, out, 'kill']
  await t.throwsAsync(run(process.execPath, words, { timeoutMs: 60_000 }), { message: /SIGKILL/ })
  const left = await readdir(out)
  t.is(left.length, 6)
  t.true(left.every((name) => /^\.large\.shard-0\d\.\d+\.partial$/.test(name)))
  await t.throwsAsync(verifyFiles([out]), { message: /holds no file named/ })
})

test('memory does not grow with the file', async (t) => {
  const folder = await folderOf(t)
  const peak: number[] = []
  for (const sizeMib of [4, 64]) {
    const path = join(folder, `file-${sizeMib}`)
    await writeFile(path, Buffer.alloc(sizeMib * MIB, 'y'))
    const words = [...flags, program, path, join(folder, 'out')]
    const { stdout } = await run(process.execPath, words, { timeoutMs: 60_000 })
    peak.push(Number(stdout))
  }
  const [small = 0, large = 0] = peak
  t.true(large - small < 24, `${small} and ${large} MiB`)
})
