import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { uuidOf } from '@purlin/base'

const execute = promisify(execFile)

/** First process of the host: mounts, then a loop that collects orphans. `mount -n`, and /run
 *  before all else, so that nothing is written to the real /run. libvirt looks its compiled-in user
 *  up before it reads qemu.conf, so a machine without that user needs private lines. */
const FIRST_PROCESS = `
set -e
mount -n -t tmpfs -o mode=755,size=64m tmpfs /run
mount -t sysfs sysfs /sys
mkdir -p /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /run/libvirt /run/lock
mount --bind "$STATE/etc" /etc/libvirt
for part in lib cache log; do mount --bind "$STATE/$part" /var/$part/libvirt; done
for file in passwd group; do
  getent $file libvirt-qemu >/dev/null && continue
  cp /etc/$file "$STATE/$file"
  line=x:64055:; [ $file = passwd ] && line=x:64055:64055::/:/usr/sbin/nologin
  echo "libvirt-qemu:$line" >>"$STATE/$file"
  mount --bind "$STATE/$file" /etc/$file
done
{ echo "127.0.0.1 localhost virt-test"; echo "::1 localhost"; } >"$STATE/hosts"
mount --bind "$STATE/hosts" /etc/hosts
hostname virt-test; ip link set lo up
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
touch "$STATE/ready"; set +e
while :; do sleep 3600 & wait; done
`

const QEMU_CONF = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
`

/** A host of namespaces with a libvirtd of its own. */
export interface PrivateHost {
  readonly state: string
  readonly uri: string
  /** Runs a program in the host; gives its standard output. */
  run(program: string, ...args: string[]): Promise<string>
  startLibvirtd(): Promise<void>
  signalLibvirtd(signal: 'STOP' | 'CONT' | 'KILL'): Promise<void>
  remove(): Promise<void>
}

/** Makes the host and starts its libvirtd; everything in it ends with `remove`, or with this
 *  process. */
export async function createPrivateHost(): Promise<PrivateHost> {
  const state = await mkdtemp(join(tmpdir(), 'purlin-virt-'))
  for (const folder of ['etc', 'lib', 'cache', 'log', 'sock']) await mkdir(join(state, folder))
  await cp('/etc/libvirt', join(state, 'etc'), { recursive: true, verbatimSymlinks: true })
  await rm(join(state, 'etc/qemu/networks'), { recursive: true, force: true })
  await writeFile(join(state, 'etc/libvirtd.conf'), libvirtdConf(state))
  await writeFile(join(state, 'etc/qemu.conf'), QEMU_CONF)
  const kinds = ['--net', '--mount', '--pid', '--uts', '--ipc']
  const own = ['--fork', '--kill-child=KILL', '--mount-proc', '--propagation', 'private']
  const first = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', ...kinds, ...own, 'bash', '-c', FIRST_PROCESS],
    { env: { ...process.env, STATE: state }, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  await until(`the host in ${state}`, () => exists(join(state, 'ready')))
  const inner = (await readFile(`/proc/${first.pid}/task/${first.pid}/children`, 'utf8')).trim()
  const run = async (program: string, ...args: string[]): Promise<string> => {
    const enter = ['-t', inner, '-n', '-m', '-u', '-i', '-p', '-r', '--', program, ...args]
    return (await execute('nsenter', enter, { timeout: 30_000 })).stdout
  }
  const uri = `qemu+unix:///system?socket=${state}/sock/libvirt-sock`
  const pidFile = join(state, 'libvirtd.pid')
  const host: PrivateHost = {
    state,
    uri,
    run,
    startLibvirtd: async () => {
      await run('libvirtd', '-d', '-f', join(state, 'etc/libvirtd.conf'), '-p', pidFile)
      await until(`libvirtd in ${state}`, async () => {
        const asked = execute('virsh', ['-q', '-c', uri, 'uri'], { timeout: 5_000 })
        return await asked.then(
          () => true,
          () => false,
        )
      })
    },
    signalLibvirtd: async (signal) => {
      await run('kill', `-${signal}`, (await readFile(pidFile, 'utf8')).trim())
    },
    remove: async () => {
      await ended(first)
      await rm(state, { recursive: true, force: true })
    },
  }
  await host.startLibvirtd()
  return host
}

function libvirtdConf(state: string): string {
  return `unix_sock_dir = "${state}/sock"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "${uuidOf(state)}"
log_outputs = "2:file:${state}/log/libvirtd.log"
`
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exit
}

async function exists(file: string): Promise<boolean> {
  return await readFile(file).then(
    () => true,
    () => false,
  )
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await isSo()) return
    await delay(50)
  }
  throw new Error(`${what} did not come up`)
}
