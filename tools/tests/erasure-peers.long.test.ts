import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'
import { buildGoPeer, buildRustPeers } from '../bench/ec/build.ts'
import { repository } from '../repository.ts'

const GOLDEN = join(repository, 'libs/ec-native/golden/vectors.txt')
const BUILD_TIMEOUT_MS = 10 * 60_000
const LONG = { timeoutMs: 60_000 }

async function goldenLines(): Promise<readonly string[]> {
  return (await readFile(GOLDEN, 'utf8')).trimEnd().split('\n')
}

test('golden vectors: rusty_erasure makes every line of up to 255 shards again', async (t) => {
  t.timeout(BUILD_TIMEOUT_MS)
  const program = await buildRustPeers()
  const input = await readFile(GOLDEN, 'utf8')
  const { stdout } = await run(program, ['vectors'], { ...LONG, input })
  const wanted = (await goldenLines()).filter((line) => {
    const [, k, m] = line.split(' ').map(Number)
    return (k ?? 0) + (m ?? 0) <= 255
  })
  t.true(wanted.length > 150)
  t.deepEqual(stdout.trimEnd().split('\n'), wanted)
})

test('golden vectors: klauspost/reedsolomon makes every Cauchy line again', async (t) => {
  t.timeout(BUILD_TIMEOUT_MS)
  const program = await buildGoPeer()
  const input = await readFile(GOLDEN, 'utf8')
  const { stdout } = await run(program, ['vectors'], { ...LONG, input })
  const wanted = (await goldenLines()).filter((line) => line.startsWith('cauchy '))
  t.true(wanted.length > 90)
  t.deepEqual(stdout.trimEnd().split('\n'), wanted)
})
