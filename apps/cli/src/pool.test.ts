import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { run } from '../tests/run.ts'

const EXAMPLE = join(import.meta.dirname, '../../../examples/storage-one-host.yaml')

const TOPOLOGY = `
kind: Topology
name: default
spec:
  roots:
    - datacenter: dc1
      rooms:
        - room: r1
          racks:
            - { rack: k1, servers: [s1, s2] }
            - { rack: k2, servers: [s3, s4] }
`

/** A manifest with a pool of these disks, each `NAME SERVER SIZE-IN-GIB [MEDIA]`. */
function manifest(head: string, disks: readonly string[]): string {
  const rows = disks.map((disk) => {
    const [name, server, size, media] = disk.split(' ')
    const more = media === undefined ? '' : `, media: ${media}`
    return `    - { name: ${name}, server: ${server}, path: ./${name}.img, sizeGiB: ${size}${more} }`
  })
  return `${TOPOLOGY}---\nkind: StoragePool\nname: p\nspec:\n${head}  disks:\n${rows.join('\n')}\n`
}

/** Runs `purlin pool`; words that name a file of `files` become its path. */
async function pool(t: ExecutionContext, words: string, files: Record<string, string> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-pool-'))
  t.teardown(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const args = words.split(' ').map((word) => {
    if (word === 'EXAMPLE') return EXAMPLE
    return Object.hasOwn(files, word) ? join(folder, word) : word
  })
  const { stdout, stderr, ...rest } = await run(['pool', ...args])
  return { ...rest, stdout, stderr: stderr.replaceAll(folder, 'FOLDER') }
}

const four = ['a s1 2', 'b s2 2', 'c s3 2', 'd s4 2']
const two = '  redundancy: { replicas: 2 }\n  faultDomain: server\n'

test('the policies that the disks of the example allow, and what its pools survive', async (t) => {
  t.snapshot(await pool(t, 'plan -f EXAMPLE bulk'))
  t.snapshot(await pool(t, 'explain -f EXAMPLE bulk'))
  t.snapshot(await pool(t, 'explain -f EXAMPLE fast'))
})

test('with all, what is not possible is told with what it lacks', async (t) => {
  const { stdout } = await pool(t, 'plan -f EXAMPLE fast --all --policy 3+2')
  t.regex(stdout, /^3\+2 over servers needs 5 of them, and these disks stand in 3$/m)
  t.regex(stdout, /^replicas 4 over racks needs 4 of them, and these disks stand in 3$/m)
})

test('unequal disks: what cannot be used is told, and how far each fills', async (t) => {
  const files = { f: manifest(two, ['a s1 1', 'b s2 1', 'c s3 1', 'd s4 9']) }
  t.snapshot(await pool(t, 'explain -f f', files))
  const { offers } = JSON.parse((await pool(t, 'plan -f f -o json', files)).stdout)
  const own = offers.find(({ current }: { current: boolean }) => current)
  t.like(own, { policy: 'replicas 2', usableBytes: 3 * 2 ** 30, strandedBytes: 6 * 2 ** 30 })
})

test('mixed media and a single replica warn; a policy that is not possible is told', async (t) => {
  const one = '  redundancy: { replicas: 1 }\n'
  const mixed = await pool(t, 'plan -f f', { f: manifest(one, ['a s1 2 hdd', 'b s2 2 nvme']) })
  t.is(
    mixed.stderr,
    'warning: pool p mixes hdd and nvme: it is as slow as the slowest\n' +
      'warning: pool p keeps 1 replica: any lost disk loses data; 3 are recommended\n',
  )
  const wide = '  redundancy: { erasure: "4+2" }\n  faultDomain: server\n'
  const { stdout } = await pool(t, 'plan -f f', { f: manifest(wide, four) })
  t.true(stdout.endsWith('4+2 over servers needs 6 of them, and these disks stand in 4\n'))
  const refused = await pool(t, 'explain -f f', { f: manifest(wide, four) })
  t.is(refused.exitCode, 4)
  t.regex(refused.stderr, /PUR_BLOCK_PLACEMENT/)
})

test('a further disk: bytes moved for each distance beside the least, or none', async (t) => {
  const more = [...four, 'e s1 2']
  const files = { f: manifest(two, four), g: manifest(two, more) }
  t.snapshot(await pool(t, 'plan -f f --to g --stored-gib 2', files))
  const group = manifest(`${two}  expand: newGroup\n`, [...more, 'g s2 2'])
  const { stdout } = await pool(t, 'plan -f f --to g -o json', { ...files, g: group })
  const { movement, usableBytesAfter } = JSON.parse(stdout)
  t.deepEqual(movement.movedBytes, { server: 0, rack: 0, room: 0, across: 0 })
  t.is(usableBytesAfter, 6 * 2 ** 30)
  const lone = await pool(t, 'plan -f f --to g', {
    ...files,
    g: manifest(`${two}  expand: newGroup\n`, more),
  })
  t.regex(lone.stderr, /replicas 2 over servers needs 2 of them, and these disks stand in 1/)
})

test('what is wrong with the manifest is told', async (t) => {
  const several = await pool(t, 'plan -f EXAMPLE')
  t.is(several.exitCode, 2)
  t.regex(several.stderr, /has several pools: name one of bulk, fast/)
  const none = await pool(t, 'plan -f EXAMPLE slow')
  t.regex(none.stderr, /has no pool slow of the local engine; it has: bulk, fast/)
  const strange = await pool(t, 'plan -f f', { f: manifest(two, ['a s9 2', 'b s1 2']) })
  t.regex(strange.stderr, /disks\[0\]\.server: the topology has no server s9; add it to a rack/)
  const unknown = manifest(two, four).replaceAll(', sizeGiB: 2', '')
  const unsized = await pool(t, 'plan -f f', { f: unknown })
  t.regex(unsized.stderr, /disk a: its size is not known, since FOLDER\/a.img is no file/)
  const much = await pool(t, 'plan -f f --to f --stored-gib 99', { f: manifest(two, four) })
  t.regex(much.stderr, /99.0 GiB do not fit pool p, which can hold 4.0 GiB/)
})
