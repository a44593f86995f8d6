/** The command as a person types it, against the daemon as a process and a real BMC. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '@purlin/base'
import anyTest, { type TestFn } from 'ava'
import { makeRig, until } from './daemon-rig.ts'

const test = anyTest.serial as TestFn<unknown>
const MAIN = new URL('../../cli/src/main.ts', import.meta.url).pathname
const CHASSIS = 'rack1-u07'
const TREE = {
  'dists/trixie/Release': 'Codename: trixie\n',
  'pool/main/purlin.deb': 'a package',
  'debian-installer/amd64/linux': 'kernel',
  'debian-installer/amd64/initrd.gz': 'initrd',
}

let rig: Awaited<ReturnType<typeof makeRig>>

anyTest.before('the daemon starts, and the medium is made', async () => {
  rig = await makeRig()
  const tree = join(rig.folder, 'tree')
  for (const [path, text] of Object.entries(TREE)) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await writeFile(join(tree, path), text)
  }
  const iso = join(rig.manifests, 'media', 'debian-13.iso')
  await run('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-o', iso, tree], { timeoutMs: 60_000 })
})

anyTest.after.always('everything ends', async () => {
  await rig?.end()
})

async function purlin(...args: readonly string[]) {
  const node = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning', MAIN]
  return await run(process.execPath, [...node, ...args], {
    timeoutMs: 120_000,
    environment: { PURLIN_BAREMETAL_SOCKET: rig.daemon.socketPath },
    acceptedExitCodes: [1, 2, 3, 4],
  })
}

/** The result as JSON of a run that ended well. */
async function answered(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await purlin(...args, '-o', 'json')
  if (exitCode !== 0) throw new Error(`purlin ${args.join(' ')}: ${exitCode}: ${stderr}`)
  return JSON.parse(stdout)
}

test('apply brings the example with its secrets and its ISO, which is extracted', async (t) => {
  const applied = await purlin('apply', '--no-wait', '-f', rig.manifest)
  t.is(applied.exitCode, 0, applied.stderr)
  t.regex(applied.stderr, /InstallMedia debian-13: 100 %/)
  const media = await until('the medium is ready', async () => {
    const one = await answered('get', 'media', 'debian-13')
    return one.status.content?.state === 'ready' && one
  })
  t.is(media.status.tree.kernel, 'debian-installer/amd64/linux')
  const iso = await readFile(join(rig.manifests, 'media', 'debian-13.iso'))
  t.is(media.status.content.sha256, createHash('sha256').update(iso).digest('hex'))
  const again = await purlin('bm', 'media', 'upload', 'debian-13', join(rig.manifests, 'ops.pub'))
  t.is(again.exitCode, 0, again.stderr)
  const failed = await until('another file is judged', async () => {
    const one = await answered('bm', 'get', 'media', 'debian-13')
    return one.status.content?.state === 'failed' && one
  })
  t.is(failed.status.content.cause.code, 'PUR_MEDIA_HOSTILE')
})

test('a plan of what is applied finds no difference', async (t) => {
  const plan = await purlin('bm', 'plan', '-f', rig.manifest)
  t.is(plan.stderr, '')
  t.regex(plan.stdout, /^(nothing differs|steps on the host)/)
})

test('a chassis is given up, switched by its BMC, and shown', async (t) => {
  await until('the life begins', async () => {
    const one = await answered('get', 'chassis', CHASSIS)
    return one.status.life !== undefined && one.status.life.state !== 'enrolled'
  })
  const cancelled = await purlin('bm', 'chassis', 'cancel', CHASSIS)
  t.is(cancelled.exitCode, 0, cancelled.stderr)
  const listed = await purlin('bm', 'chassis', 'list')
  t.regex(listed.stdout, /^NAME +STATE +POWER +BMC/)
  t.regex(listed.stdout, /\nrack1-u07 +manageable/)
  t.is((await purlin('bm', 'chassis', 'power', CHASSIS, 'on')).exitCode, 0)
  t.is(rig.chassis.power, 'on')
  const [shown, history, life] = await Promise.all([
    purlin('bm', 'chassis', 'show', CHASSIS),
    answered('bm', 'chassis', 'history', CHASSIS),
    answered('bm', 'chassis', 'maintenance', CHASSIS, 'on', '--reason', 'fan'),
  ])
  t.regex(shown.stdout, /\nPower: +on, /)
  t.true(history.length > 2)
  t.true(life.maintenance)
})

test('what is not possible is refused with exit code 4, what is missing is 1', async (t) => {
  const [retry, missing, unreported, tokens] = await Promise.all([
    purlin('bm', 'chassis', 'retry', CHASSIS),
    purlin('bm', 'chassis', 'show', 'nobody'),
    purlin('bm', 'chassis', 'report', CHASSIS),
    purlin('bm', 'token', 'list'),
  ])
  t.is(retry.exitCode, 4, retry.stderr)
  t.regex(retry.stderr, /PUR_LIFE_REFUSED/)
  t.deepEqual([missing.exitCode, unreported.exitCode, tokens.exitCode], [1, 1, 0])
})
