import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import test from 'ava'
import {
  blockDaemonProgram,
  CONTROL_SOCKET,
  type ControlClient,
  createControlClient,
  mappedVolumes,
} from '../src/index.ts'

const CLI = new URL('../../../apps/cli/src/main.ts', import.meta.url).pathname
/** Where `purlin volume map` notes what it maps again at boot. */
const NOTED = '/var/lib/purlin/mapped-volumes.json'
const LIMIT_MS = 120_000
const DEVICE = '/dev/purlin/vol-a'
const MIB = 2 ** 20
/** Each write is durable before the next, so that a crash falls among them. */
const BLOCK_BYTES = 16_384
const WRITTEN_MIB = 2

const CONFIG = `kind: Topology
name: t
spec: { roots: [{ datacenter: d, rooms: [{ room: r, racks: [{ rack: k, servers: [s] }] }] }] }
---
kind: StoragePool
name: p
spec: { redundancy: { replicas: 1 }, disks: [{ name: d, server: s, path: ./d.img, sizeGiB: 0.5 }] }
---
kind: Volume
name: vol-a
spec: { pool: p, sizeGiB: 0.125 }
`

test.serial(
  'the kernel’s NBD client: a file system on a mapped volume lives through kill -9 of the daemon, grows with its volume, keeps a keeper, and is there again after a boot',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'map-'))
    const daemon = await startDaemon(folder)
    const program = blockDaemonProgram()
    const maps = mappedVolumes({
      ...{ run, clock: systemClock, file: NOTED, program },
      ...{ devicesFolder: '/sys/block', nodesFolder: '/dev' },
    })
    t.is((await maps.map('vol-a', daemon.socket)).device, DEVICE)
    const node = await readlink(DEVICE)
    t.regex(node, /^\/dev\/nbd\d+$/)
    t.is(await command('blockdev', '--getsize64', '--getpbsz', DEVICE), `${128 * MIB}\n4096\n`)
    const mounted = join(folder, 'mounted')
    await mkdir(mounted)
    await command('mkfs.ext4', '-q', DEVICE)
    await command('mount', '-o', 'discard', DEVICE, mounted)
    const refused = await t.throwsAsync(maps.unmap('vol-a'))
    t.regex(refused?.message ?? '', /is mounted, swap, or below another device/)

    const [wanted, file] = [join(folder, 'wanted'), join(mounted, 'file')]
    await command('dd', 'if=/dev/urandom', `of=${wanted}`, `bs=${MIB}`, `count=${WRITTEN_MIB}`)
    const words = [`if=${wanted}`, `of=${file}`, `bs=${BLOCK_BYTES}`, 'oflag=sync']
    const writer = spawn('dd', words, { stdio: 'ignore' })
    const ended = once(writer, 'exit')
    await until('the writer writes', async () => (await stat(file)).size > 8 * BLOCK_BYTES)
    await daemon.kill()
    t.true((await stat(file)).size < WRITTEN_MIB * MIB, 'the writer is in the middle')
    await daemon.start()
    t.deepEqual(await ended, [0, null], 'the writer has seen no error')
    await writeFile('/proc/sys/vm/drop_caches', '3')
    await command('cmp', wanted, file)
    await command('umount', mounted)
    await command('e2fsck', '-fn', DEVICE)

    // A keeper and a guard that are killed are replaced, and the device goes on.
    const holder = (part: string) => holderOf(part, daemon.socket)
    for (const part of ['--keep', '--guard']) {
      const before = await holder(part)
      process.kill(before, 'SIGKILL')
      await until(`another ${part}`, async () => (await holder(part)) !== before)
      await command('dd', `if=${DEVICE}`, 'of=/dev/null', 'bs=64k', 'count=4', 'iflag=direct')
    }
    // The new keeper connects the device again to the next daemon.
    await daemon.kill()
    await daemon.start()
    await command('dd', `if=${DEVICE}`, 'of=/dev/null', 'bs=64k', 'count=4', 'iflag=direct')
    // A volume that grows is larger for its device and the file system on it.
    const grown = { name: 'vol-a', sizeBytes: 192 * MIB, reconnect: false }
    await daemon.call('volume-grow', grown, { deadlineMs: LIMIT_MS })
    const size = () => command('blockdev', '--getsize64', DEVICE)
    await until('the device has grown', async () => (await size()) === `${192 * MIB}\n`)
    await command('mount', '-o', 'discard', DEVICE, mounted)
    await command('resize2fs', DEVICE)
    await command('cmp', wanted, file)
    await command('umount', mounted)
    await command('e2fsck', '-fn', DEVICE)

    // As after a boot: no daemon, no module, no links, and the note of what was mapped.
    await command(program, 'unmap', '--device', node)
    await daemon.kill()
    await command('modprobe', '-r', 'nbd')
    await rm('/dev/purlin', { recursive: true })
    await daemon.start()
    const boot = /^ExecStart=\/usr\/bin\/purlin (.*)$/m.exec(await readFile(UNIT, 'utf8'))?.[1]
    const purlin = [process.execPath, '--conditions=purlin-source', CLI] as const
    t.is(await command(...purlin, ...(boot ?? '').split(' ')), 'vol-a: mapped\n')
    await command('mount', DEVICE, mounted)
    await command('cmp', wanted, file)
    await command('dd', 'if=/dev/zero', `of=${file}`, 'bs=64k', 'count=4', 'conv=fsync')
    await command('umount', mounted)
    await maps.unmap('vol-a')
    await t.throwsAsync(stat(DEVICE))
    t.deepEqual(await maps.list(), [])
    await daemon.kill()
    await rm(folder, { recursive: true })
  },
)

const UNIT = new URL('../../../tools/package/files/purlin-map.service', import.meta.url)

/** The process that is `part` of what keeps the volume of a socket a device. */
async function holderOf(part: string, socket: string): Promise<number> {
  for (const name of await readdir('/proc')) {
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    const words = line.split('\0')
    if (words.includes(part) && words.includes(socket)) return Number(name)
  }
  throw new Error(`no process is ${part} of ${socket}`)
}

interface TestDaemon {
  readonly socket: string
  call: ControlClient['call']
  start(): Promise<void>
  /** kill -9, until it is gone. */
  kill(): Promise<void>
}

async function startDaemon(folder: string): Promise<TestDaemon> {
  const [config, sockets] = [join(folder, 'pools.yaml'), join(folder, 's')]
  await writeFile(config, CONFIG)
  const program = blockDaemonProgram()
  const words = ['serve', '--config', config, '--sockets', sockets]
  let standing = spawn(program, words, { stdio: 'inherit' })
  const answers = () => command(program, 'status', '--sockets', sockets).then(() => true)
  await until('the daemon answers', answers)
  return {
    socket: join(sockets, 'vol-a.sock'),
    call: createControlClient(join(sockets, CONTROL_SOCKET)).call,
    start: async () => {
      standing = spawn(program, words, { stdio: 'inherit' })
      await until('the daemon answers again', answers)
    },
    kill: async () => {
      const gone = once(standing, 'exit')
      standing.kill('SIGKILL')
      await gone
    },
  }
}

/** What the command prints. */
async function command(program: string, ...words: string[]): Promise<string> {
  return (await run(program, words, { timeoutMs: LIMIT_MS })).stdout
}

async function until(what: string, met: () => Promise<boolean>): Promise<void> {
  const limitMs = systemClock.monotonicMs() + LIMIT_MS
  while (!(await met().catch(() => false))) {
    if (systemClock.monotonicMs() > limitMs) throw new Error(`not within ${LIMIT_MS} ms: ${what}`)
    await systemClock.sleep(20)
  }
}
