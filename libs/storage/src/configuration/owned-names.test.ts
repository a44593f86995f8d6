import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { ownedNames } from './owned-names.ts'

test('names that are noted and forgotten at once are all noted and forgotten', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'owned-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const owned = ownedNames(join(folder, 'volumes.json'))
  await owned.add(['a', 'b'])
  await Promise.all([owned.add(['c']), owned.remove('a'), owned.add(['d', 'e']), owned.remove('d')])
  t.deepEqual([...(await owned.read())].toSorted(), ['b', 'c', 'e'])
})
