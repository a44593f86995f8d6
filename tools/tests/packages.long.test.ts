import { existsSync } from 'node:fs'
import { copyFile, lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PurlinError, run, systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { packageContents } from '../package/contents.ts'
import { makePackages } from '../package/package.ts'
import { packageVersion } from '../package/stage.ts'
import { PrivateHost } from '../sandbox/host.ts'
import { NFT } from '../sandbox/nft.ts'
import { Progress } from '../setup/progress.ts'
import { daemonAnswers, instanceIsWatched, watchedSystem } from './packaged-bare-metal.ts'

const LONG = { timeoutMs: 10 * 60_000 }
const AGENT = '/usr/lib/purlin/agent/host-agent.mjs'
const AGENT_TIMEOUT_MS = 30_000
const OWN = [
  ...['purlin-baremetal-pxe', 'purlin-blockd', 'purlin-cli', 'purlin-host-agent', 'purlin-node'],
]

test.serial(
  'the packages: a clean Debian installs them, the agent answers, removal says what stays and leaves nothing',
  async (t) => {
    t.timeout(30 * 60_000)
    const folder = await mkdtemp('/var/tmp/purlin-packages-')
    const root = join(folder, 'root')
    const made = await makePackages(join(folder, 'out'), new Progress({ write: () => undefined }))
    const debs = made.filter((path) => path.endsWith('.deb'))
    const version = await packageVersion()
    await makeRoot(root, version)
    for (const path of debs) await copyFile(path, join(root, basename(path)))
    await writeFile(join(root, 'group.yaml'), GROUP)
    await writeFile(join(root, 'pools.yaml'), POOLS)
    await writeFile(join(root, 'connect.mjs'), CONNECT)
    // As libvirt's own package makes it.
    await run('chroot', [root, 'useradd', '--system', 'libvirt-qemu'], LONG)
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
      await volumesServeTheirGroup(t, root, host, inRoot)
      await daemonAnswers(t, root, host, inRoot, version)
      await instanceIsWatched(t, root, host, inRoot)
      await host.run('pkill', ['--signal', 'TERM', '--full', AGENT])

      await host.run('ip', ['link', 'add', 'ptap-00000000', 'type', 'bridge'])
      await host.run(NFT, ['add', 'table', 'inet', 'purlin'])
      const removal = await inRoot('dpkg', '--remove', ...OWN)
      t.regex(removal.stderr, /everything stays as it is: 1 NICs of running machines/)
      const removed = newFiles(before, await filesOf(root))
      t.deepEqual(
        removed.filter((path) => !/^\/(var\/(lib|log)|run)\/purlin(\/|$)/.test(path)),
        ['/etc/purlin', '/etc/purlin/baremetal-pxe.toml', '/etc/purlin/host-agent.toml'],
      )
      await inRoot('dpkg', '--purge', 'purlin-blockd', 'purlin-host-agent', 'purlin-baremetal-pxe')
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

/** The daemon as its unit starts it: QEMU's user reaches volumes and not the control socket. */
async function volumesServeTheirGroup(
  t: ExecutionContext,
  root: string,
  host: PrivateHost,
  inRoot: (...command: string[]) => ReturnType<typeof run>,
): Promise<void> {
  const unit = await readFile(join(root, 'usr/lib/systemd/system/purlin-blockd.service'), 'utf8')
  const [, start = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? []
  t.regex(unit, /^SupplementaryGroups=disk purlin-volumes$/m)
  await lstat(join(root, 'etc/systemd/system/multi-user.target.wants/purlin-map.service'))
  const sockets = '/run/purlin-blockd'
  await inRoot('install', '--directory', '--mode=0751', '--group=purlin', sockets)
  const words = start.replace('/var/lib/purlin/storage/pools.yaml', '/pools.yaml').split(' ')
  // The service's user is one that exists while it runs; its groups are the unit's.
  const user = ['setpriv', '--regid=purlin', '--groups=purlin-volumes,disk']
  host.spawn(['chroot', root, ...user, ...words], 'packaged-blockd')
  const limit = systemClock.monotonicMs() + AGENT_TIMEOUT_MS
  const socket = join(root, sockets, 'vol-a.sock')
  while (!existsSync(socket)) {
    if (systemClock.monotonicMs() > limit) t.fail('no volume is served')
    await systemClock.sleep(100)
  }
  const shown = await inRoot(
    'stat',
    '--format=%n %a %G',
    `${sockets}/vol-a.sock`,
    `${sockets}/vol-a.vhost.sock`,
    `${sockets}/blockd.control.sock`,
  )
  t.is(
    shown.stdout,
    `${sockets}/vol-a.sock 660 purlin-volumes
${sockets}/vol-a.vhost.sock 660 purlin-volumes
${sockets}/blockd.control.sock 660 purlin
`,
  )
  const connect = async (name: string): Promise<string> => {
    const qemu = ['setpriv', '--reuid=libvirt-qemu', '--regid=libvirt-qemu', '--init-groups']
    const node = ['/usr/lib/purlin/bin/node', '/connect.mjs', `${sockets}/${name}.sock`]
    return (await inRoot(...qemu, ...node)).stdout.trim()
  }
  t.is(await connect('vol-a'), 'connected')
  t.is(await connect('vol-a.vhost'), 'connected')
  t.is(await connect('blockd.control'), 'EACCES')
  await inRoot('/usr/lib/purlin/bin/purlin-blockd', 'stop', '--sockets', sockets)
  while (existsSync(join(root, sockets, 'blockd.control.sock'))) {
    if (systemClock.monotonicMs() > limit) break
    await systemClock.sleep(100)
  }
  await inRoot('rm', '-r', sockets, '/disk.img')
}

const CONNECT = `import { connect } from 'node:net'
const socket = connect(process.argv[2])
socket.on('connect', () => { console.log('connected'); socket.destroy() })
socket.on('error', (error) => console.log(error.code))
`

const POOLS = `kind: Topology
name: t
spec: { roots: [{ datacenter: d, rooms: [{ room: r, racks: [{ rack: k, servers: [s] }] }] }] }
---
kind: StoragePool
name: p
spec:
  redundancy: { replicas: 1 }
  disks: [{ name: d, server: s, path: ./disk.img, sizeGiB: 0.25 }]
---
kind: Volume
name: vol-a
spec: { pool: p, sizeGiB: 0.0625 }
`

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
  const include = `--include=${[...new Set([...names, ...watchedSystem])].join(',')}`
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
