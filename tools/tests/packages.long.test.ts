import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PurlinError, run, systemClock } from '@purlin/base'
import test from 'ava'
import { packageContents } from '../package/contents.ts'
import { makePackages } from '../package/package.ts'
import { packageVersion } from '../package/stage.ts'
import { PrivateHost } from '../sandbox/host.ts'
import { NFT } from '../sandbox/nft.ts'
import { Progress } from '../setup/progress.ts'

const LONG = { timeoutMs: 10 * 60_000 }
const AGENT = '/usr/lib/purlin/agent/host-agent.mjs'
const AGENT_TIMEOUT_MS = 30_000
const OWN = ['purlin-blockd', 'purlin-cli', 'purlin-host-agent', 'purlin-node']

test.serial(
  'the packages: a clean Debian installs them, the agent answers, removal says what stays and leaves nothing',
  async (t) => {
    t.timeout(20 * 60_000)
    const folder = await mkdtemp('/var/tmp/purlin-packages-')
    const root = join(folder, 'root')
    const made = await makePackages(join(folder, 'out'), new Progress({ write: () => undefined }))
    const debs = made.filter((path) => path.endsWith('.deb'))
    const version = await packageVersion()
    await makeRoot(root, version)
    for (const path of debs) await copyFile(path, join(root, basename(path)))
    await writeFile(join(root, 'group.yaml'), GROUP)
    const before = await filesOf(root)

    const host = await PrivateHost.start({ name: 'packages' })
    const inRoot = (...command: string[]): ReturnType<typeof run> =>
      host.run('chroot', [root, ...command], { ...LONG, environment: { LC_ALL: 'C.UTF-8' } })
    try {
      for (const type of ['proc', 'sysfs']) {
        await host.run('mount', ['-t', type, type, join(root, type.replace('fs', ''))])
      }
      await inRoot('dpkg', '--install', ...debs.map((path) => `/${basename(path)}`))

      await inRoot('mkdir', '-p', '/run/purlin')
      const start = ['chroot', root, 'env', 'PURLIN_VIRT_ADDON=/usr/lib/purlin/agent/virt.node']
      host.spawn([...start, '/usr/lib/purlin/bin/node', AGENT, 'serve'], 'packaged-agent')
      const answer = await untilAnswered(inRoot)
      t.deepEqual(JSON.parse(answer.stdout), { client: version, agent: version })
      t.is((await inRoot('purlin', 'get', 'vm', '-o', 'json')).exitCode, 0)
      // Each of these needs an addon of its package.
      await inRoot('purlin', 'apply', '-f', '/group.yaml')
      await inRoot('mkdir', '/run/ec')
      await inRoot(
        'purlin',
        'ec',
        'encode',
        '/group.yaml',
        '-k',
        '4',
        '-m',
        '2',
        '--out',
        '/run/ec',
      )
      await inRoot('purlin', 'ec', 'verify', '/run/ec')
      const daemon = await inRoot('/usr/lib/purlin/bin/purlin-blockd', '--version')
      t.regex(daemon.stdout, /^purlin-blockd \d/)
      await inRoot('rm', '-r', '/run/ec')
      await host.run('pkill', ['--signal', 'TERM', '--full', AGENT])

      await host.run('ip', ['link', 'add', 'ptap-00000000', 'type', 'bridge'])
      await host.run(NFT, ['add', 'table', 'inet', 'purlin'])
      const removal = await inRoot('dpkg', '--remove', ...OWN)
      t.regex(removal.stderr, /everything stays as it is: 1 NICs of running machines/)
      const removed = newFiles(before, await filesOf(root))
      t.deepEqual(
        removed.filter((path) => !/^\/(var\/(lib|log)|run)\/purlin(\/|$)/.test(path)),
        ['/etc/purlin', '/etc/purlin/host-agent.toml'],
      )
      await inRoot('dpkg', '--purge', 'purlin-host-agent')
      t.deepEqual(newFiles(before, await filesOf(root)), [])
      const groups = await inRoot('getent', 'group')
      t.false(groups.stdout.includes('purlin'))
    } finally {
      await host.end()
    }

    for (const { name, files, requires } of packageContents(version)) {
      const rpm = made.find((path) => basename(path) === `${name}-${version}-1.x86_64.rpm`) ?? ''
      const ask = async (question: string): Promise<string[]> =>
        (await run('rpm', ['--query', '--package', question, rpm], LONG)).stdout.trim().split('\n')
      const listed = await ask('--list')
      for (const { path } of files) t.true(listed.includes(path), `${name}: ${path}`)
      const wanted = await ask('--requires')
      for (const one of requires) {
        if (one.rpm !== undefined) t.true(wanted.includes(one.rpm), `${name} requires ${one.rpm}`)
      }
    }
    await rm(folder, { recursive: true })
  },
)

const GROUP = `kind: SecurityGroup
name: web
spec:
  inbound:
    - { family: ipv4, protocol: tcp, ports: ["80"], action: allow }
`

/** A Debian of the least packages, with those that ours ask for. */
async function makeRoot(root: string, version: string): Promise<void> {
  const names = packageContents(version)
    .flatMap(({ requires }) => requires)
    .map(({ deb }) => deb.split(' ')[0] ?? '')
    .filter((name) => !name.startsWith('purlin'))
  const include = `--include=${[...new Set(names)].join(',')}`
  await run('mmdebstrap', ['--quiet', '--variant=minbase', include, 'bookworm', root], LONG)
}

/** Every path of the root, but those in which dpkg and the group file's tools keep their own
 *  accounts. */
async function filesOf(root: string): Promise<ReadonlySet<string>> {
  const own =
    /^\/(proc|sys|dev|var\/lib\/(dpkg|systemd)|var\/log\/(dpkg|alternatives)|var\/cache|etc\/g?(group|shadow)-?$)/
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry) => join(entry.parentPath, entry.name).slice(root.length))
  return new Set(paths.filter((path) => !own.test(path)))
}

function newFiles(before: ReadonlySet<string>, after: ReadonlySet<string>): readonly string[] {
  return [...after].filter((path) => !before.has(path)).toSorted()
}

async function untilAnswered(
  inRoot: (...command: string[]) => ReturnType<typeof run>,
): ReturnType<typeof run> {
  const limit = systemClock.monotonicMs() + AGENT_TIMEOUT_MS
  for (;;) {
    const answer = await inRoot('purlin', 'version', '-o', 'json')
    if (!answer.stdout.includes('"agent": null')) return answer
    if (systemClock.monotonicMs() > limit) {
      throw new PurlinError('PUR_AGENT_UNREACHABLE', { message: 'the packaged agent is silent' })
    }
    await systemClock.sleep(200)
  }
}
