import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'
import { repository } from '../repository.ts'

const GOLDEN = join(repository, 'libs/ec-native/golden')
const POLICIES = ['2 1', '4 2', '8 3', '8 2', '16 2']

test('golden vectors of the erasure code: Debian’s ISA-L makes the committed file again', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-golden-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const program = join(folder, 'make-vectors')
  const source = join(GOLDEN, 'make-vectors.c')
  await run('gcc', ['-O2', '-Wall', '-Werror', '-o', program, source, '-lisal'], {
    timeoutMs: 60_000,
  })
  const { stdout } = await run(program, [], { timeoutMs: 60_000 })
  t.is(stdout, await readFile(join(GOLDEN, 'vectors.txt'), 'utf8'))
})

test('golden vectors hold every policy of the reference in both techniques, and 256 shards', async (t) => {
  const lines = (await readFile(join(GOLDEN, 'vectors.txt'), 'utf8')).trimEnd().split('\n')
  for (const policy of POLICIES) {
    for (const technique of ['reed_sol_van', 'cauchy']) {
      const sizes = lines.filter((line) => line.startsWith(`${technique} ${policy} `))
      t.true(sizes.length >= 7, `${technique} ${policy}`)
    }
  }
  const widest = lines.filter((line) => line.startsWith('cauchy 128 128 '))
  t.deepEqual(
    widest.map((line) => line.split(' ').length),
    widest.map(() => 5 + 128),
  )
  t.true(widest.length > 0)
})
