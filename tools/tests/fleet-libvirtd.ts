import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock, uuidOf } from '@purlin/base'
import { imagesFolder } from '../setup/set-up.ts'
import type { FleetHost } from '../test/fleet/host.ts'

const LIMIT_MS = 30_000
const POLL_MS = 50

/** libvirt's own folders are each daemon's own; the rest of the file system is shared. */
const SCRIPT = `set -e
mkdir -p /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /run/libvirt
for part in etc:/etc/libvirt lib:/var/lib/libvirt cache:/var/cache/libvirt \\
  log:/var/log/libvirt run:/run/libvirt; do
  mkdir -p "$0/\${part%%:*}"
  mount -n --bind "$0/\${part%%:*}" "\${part#*:}"
done
exec libvirtd -d -f "$0/libvirtd.conf" -p "$0/libvirtd.pid"`

/** Starts a libvirtd of a host's own in its network, at the socket where its agent looks for it,
 *  and puts a kernel where its image has one. */
export async function startFleetLibvirtd(host: FleetHost): Promise<void> {
  const folder = join(host.folder, 'libvirt')
  const image = join(host.folder, 'images/probe')
  await mkdir(join(folder, 'etc'), { recursive: true })
  await mkdir(image, { recursive: true })
  await symlink(join(imagesFolder, 'probe/vmlinux'), join(image, 'kernel'))
  await symlink(join(imagesFolder, 'probe/initrd'), join(image, 'initrd'))
  const lines = [
    ...[`unix_sock_dir = "${host.folder}"`, 'unix_sock_rw_perms = "0700"'],
    ...['auth_unix_ro = "none"', 'auth_unix_rw = "none"', `host_uuid = "${uuidOf(folder)}"`],
  ]
  const qemu = [
    ...['user = "root"', 'group = "root"', 'dynamic_ownership = 0', 'remember_owner = 0'],
    ...['security_driver = "none"', 'cgroup_controllers = []', 'namespaces = []'],
    'stdio_handler = "file"',
  ]
  await writeFile(join(folder, 'libvirtd.conf'), `${lines.join('\n')}\n`)
  await writeFile(join(folder, 'etc/qemu.conf'), `${qemu.join('\n')}\n`)
  const [program, ...args] = host.enter(['unshare', '--mount', 'bash', '-c', SCRIPT, folder])
  await run(program, args, { timeoutMs: LIMIT_MS })
}

/** Processes that run the machine of that name, of all hosts; libvirt's own look at QEMU is
 *  none. */
async function processesOf(machine: string): Promise<readonly number[]> {
  const { stdout } = await run('ps', ['-eo', 'pid=,args='], { timeoutMs: LIMIT_MS })
  return stdout
    .split('\n')
    .filter((line) => /qemu-system/.test(line) && line.includes(` -name guest=${machine},`))
    .map((line) => Number.parseInt(line, 10))
}

/** Processes that run the machine on a host. */
export async function processesOn(host: FleetHost, machine: string): Promise<readonly number[]> {
  const { stdout } = await run('ip', ['netns', 'pids', host.name], { timeoutMs: LIMIT_MS })
  const here = new Set(stdout.split('\n').map(Number))
  return (await processesOf(machine)).filter((pid) => here.has(pid))
}

/** Looks over and over whether the machine runs twice, until it is disposed of. */
export class TwiceWatch implements AsyncDisposable {
  /** How often it did. */
  count = 0
  #ended = false
  readonly #watched: Promise<void>

  constructor(machine: string) {
    this.#watched = this.#watch(machine)
  }

  async #watch(machine: string): Promise<void> {
    while (!this.#ended) {
      if (await runsTwice(machine)) this.count += 1
      await systemClock.sleep(POLL_MS)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    await this.#watched
  }
}

/** Whether the machine runs twice at one moment: of two that one look found, the older is still
 *  there afterwards, and the younger after that. */
async function runsTwice(machine: string): Promise<boolean> {
  const found = await processesOf(machine)
  if (found.length < 2) return false
  const again = await processesOf(machine)
  const yetAgain = await processesOf(machine)
  return found.filter((pid) => again.includes(pid) && yetAgain.includes(pid)).length > 1
}

/** Ends the machine on a host as the host's power would. */
export async function cutPower(host: FleetHost, machine: string): Promise<void> {
  for (const pid of await processesOn(host, machine)) process.kill(pid, 'SIGKILL')
}

/** Waits until it is so. */
export async function until(what: string, is: () => Promise<boolean>): Promise<void> {
  const limitMs = systemClock.monotonicMs() + 60_000
  while (!(await is())) {
    if (systemClock.monotonicMs() > limitMs) throw new Error(`not so within a minute: ${what}`)
    await systemClock.sleep(POLL_MS)
  }
}
