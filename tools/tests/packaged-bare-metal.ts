/** What the packages of bare metal do in a Debian root: the daemon starts, and an instance installs
 *  the agent that the daemon's package carries. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type run, systemClock } from '@purlin/base'
import type { ExecutionContext } from 'ava'
import { repository } from '../repository.ts'
import type { PrivateHost } from '../sandbox/host.ts'

const PROGRAM = '/usr/lib/purlin/baremetal/baremetal-pxe.mjs'
const NODE = '/usr/lib/purlin/bin/node'
const SOCKET = '/run/purlin/baremetal-pxe.sock'
const METRICS_SERVER = join(repository, 'apps/baremetal-pxe/tests/support/metrics-server.ts')
const LIMIT_MS = 60_000

/** What a system has that is watched, beside the least of Debian; `rpm` for the other family. */
export const watchedSystem = ['curl', 'systemd', 'rpm'] as const

type InRoot = (...command: string[]) => ReturnType<typeof run>

async function until(t: ExecutionContext, what: string, is: () => Promise<boolean>): Promise<void> {
  const endMs = systemClock.monotonicMs() + LIMIT_MS
  while (!(await is())) {
    if (systemClock.monotonicMs() > endMs) {
      t.fail(`not within ${LIMIT_MS} ms: ${what}`)
      return
    }
    await systemClock.sleep(100)
  }
}

/** The daemon as its unit starts it answers on its socket, for its group. */
export async function daemonAnswers(
  t: ExecutionContext,
  root: string,
  host: PrivateHost,
  inRoot: InRoot,
  version: string,
): Promise<void> {
  const unit = await readFile(
    join(root, 'usr/lib/systemd/system/purlin-baremetal-pxe.service'),
    'utf8',
  )
  const [, words = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? []
  t.is(words, `${NODE} ${PROGRAM} serve`)
  t.is((await inRoot(NODE, PROGRAM, '--version')).stdout.trim(), version)
  const run = '/run/purlin/baremetal'
  await inRoot('install', '--directory', '--mode=0711', '--group=purlin', run)
  const group = ['setpriv', '--regid=purlin', '--clear-groups']
  const daemon = host.spawn(['chroot', root, ...group, ...words.split(' ')], 'packaged-baremetal')
  await until(t, 'the daemon answers', async () => {
    if (!existsSync(join(root, SOCKET))) return false
    const ask = ['curl', '-sS', '--unix-socket', SOCKET, 'http://localhost/v1/openapi.json']
    const { stdout } = await inRoot(...ask).catch(() => ({ stdout: '' }))
    return stdout.includes('BareMetalInstance')
  })
  const shown = await inRoot('stat', '--format=%a %G', SOCKET)
  t.is(shown.stdout.trim(), '660 purlin')
  await host.run('pkill', ['--signal', 'TERM', '--full', PROGRAM])
  await until(t, 'the daemon has ended', async () => daemon.exitCode !== null)
  await rm(join(root, run), { recursive: true, force: true })
  await rm(join(root, SOCKET), { force: true })
}

/** `agent.sh` installs the package that the server serves, by dpkg and by rpm, and the agent, as
 *  the user that its package makes, pushes from there. */
export async function instanceIsWatched(
  t: ExecutionContext,
  root: string,
  host: PrivateHost,
  inRoot: InRoot,
): Promise<void> {
  const folder = join(root, 'metrics')
  const source = ['--conditions=purlin-source', METRICS_SERVER]
  const packages = join(root, 'usr/share/purlin/bm-agent')
  host.spawn([process.execPath, ...source, folder, packages], 'metrics-server')
  await until(t, 'agent.sh', async () => existsSync(join(folder, 'agent.sh')))
  await rpmFamily(root)

  const families = [
    { enter: [], remove: ['dpkg', '--purge', 'purlin-bm-agent'] },
    // Debian's rpm knows nothing of the packages that dpkg installed.
    {
      enter: ['env', 'PATH=/rpm-family'],
      remove: ['rpm', '--erase', '--nodeps', 'purlin-bm-agent'],
    },
  ]
  let counted = '0'
  for (const { enter, remove } of families) {
    await inRoot(...enter, 'sh', '/metrics/agent.sh')
    // As often as it is run.
    await inRoot(...enter, 'sh', '/metrics/agent.sh')
    const files = ['bm-agent.toml', 'bm-agent.token', 'bm-agent-ca.pem']
    const shown = await inRoot('stat', '--format=%a', ...files.map((file) => `/etc/purlin/${file}`))
    t.is(shown.stdout, '600\n600\n644\n')
    const enabled = await inRoot('systemctl', 'is-enabled', 'purlin-bm-agent.service')
    t.is(enabled.stdout.trim(), 'enabled')

    const unit = await readFile(
      join(root, 'usr/lib/systemd/system/purlin-bm-agent.service'),
      'utf8',
    )
    const [, start = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? []
    const [, user = ''] = /^User=(.*)$/m.exec(unit) ?? []
    // As systemd hands root's files to the service's own user.
    const credentials = '/run/bm-agent'
    await inRoot('install', '--directory', `--owner=${user}`, '--mode=0500', credentials)
    for (const file of files.slice(0, 2)) {
      const from = `/etc/purlin/${file}`
      await inRoot('install', `--owner=${user}`, '--mode=0400', from, `${credentials}/${file}`)
    }
    const words = start.replaceAll(/\$\{CREDENTIALS_DIRECTORY\}/g, credentials).split(' ')
    const become = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups']
    const agent = host.spawn(['chroot', root, ...become, ...words], 'packaged-bm-agent')
    const count = ['curl', '-gsS', '--insecure', 'https://127.0.0.1:8448/count']
    await until(t, 'a push', async () => Number((await inRoot(...count)).stdout) > 50)
    counted = (await inRoot(...count)).stdout.trim()
    await host.run('pkill', ['--signal', 'TERM', '--full', words.slice(0, 2).join(' ')])
    await until(
      t,
      'the agent has ended',
      async () => agent.exitCode !== null || agent.signalCode !== null,
    )
    await inRoot(...remove)
    await rm(join(root, credentials), { recursive: true })
  }
  // Users of a family whose packages leave theirs.
  await inRoot('userdel', 'purlin-bm-agent')
  t.log(`${counted} series pushed`)
  await host.run('pkill', ['--signal', 'TERM', '--full', METRICS_SERVER])
  for (const made of [folder, join(root, 'rpm-family'), join(root, 'root/.rpmdb')]) {
    await rm(made, { recursive: true, force: true })
  }
  await inRoot('sh', '-c', 'rm -f /etc/purlin/bm-agent*')
}

/** A folder of programs without dpkg, and an rpm that takes the shell for granted. */
async function rpmFamily(root: string): Promise<void> {
  const folder = join(root, 'rpm-family')
  await mkdir(folder)
  // Debian's rpm asks bash where its database is: in root's home.
  const programs = [
    'bash',
    'sh',
    'cat',
    'chmod',
    'curl',
    'echo',
    'env',
    'mkdir',
    'mktemp',
    'rm',
    'uname',
  ]
  for (const name of [...programs, 'getent', 'sha256sum', 'systemctl']) {
    await symlink(`/usr/bin/${name}`, join(folder, name))
  }
  await symlink('/usr/sbin/useradd', join(folder, 'useradd'))
  const rpm = join(folder, 'rpm')
  await writeFile(rpm, '#!/bin/sh\nexec /usr/bin/rpm --nodeps "$@"\n')
  await chmod(rpm, 0o755)
}
