import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { buildDiscoverySystem } from '../src/index.ts'

const cache = join(import.meta.dirname, '../../../.purlin/discovery-packages')
const DEADLINE_MS = 15 * 60_000
const INITRD_MAX_BYTES = 40 * 1_048_576

test('two builds of the same packages and program are the same bytes, and small', async (t) => {
  t.timeout(DEADLINE_MS)
  const folder = await mkdtemp(join(tmpdir(), 'purlin-discovery-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(cache, { recursive: true })
  const purlinNode = join(folder, 'program')
  await writeFile(purlinNode, 'any program')
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  const manifest = await buildDiscoverySystem({ out: one, cache, drivers: 'virtual', purlinNode })
  const again = await buildDiscoverySystem({ out: two, cache, drivers: 'virtual', purlinNode })
  t.deepEqual(again, manifest)
  for (const name of ['vmlinuz', 'initrd.img', 'manifest.json']) {
    t.true((await readFile(join(one, name))).equals(await readFile(join(two, name))), name)
  }
  t.true(manifest.initrd.sizeBytes < INITRD_MAX_BYTES, `${manifest.initrd.sizeBytes} bytes`)
  t.true(manifest.packages.some(({ name }) => name === 'busybox'))
})
