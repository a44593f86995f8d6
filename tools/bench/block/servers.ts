import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run, systemClock } from '@purlin/base'
import { type PoolShape, poolText } from './shapes.ts'

const START_MS = 60_000
const STOP_MS = 90_000
const TOOL = { timeoutMs: 10 * 60_000 }
export const MIB = 1024 * 1024

/** An export of a block server that is measured. */
export interface Server {
  readonly name: string
  readonly uri: string
  /** Where it is a disk of machines by vhost-user. */
  readonly vhostSocket: string
  /** Has the process's id; another one after a planned upgrade. */
  readonly pidFile: string
  /** The folder of its sockets. */
  readonly sockets: string
  readonly stop: () => Promise<void>
}

/** Starts a daemon with one pool; its server is that of volume `v`. Errors: PUR_DEADLINE_PASSED
 *  when it does not serve in time. */
export async function startPurlin(
  program: string,
  folder: string,
  shape: PoolShape,
): Promise<Server> {
  // The path becomes part of a URI.
  const home = join(folder, shape.name.replaceAll(/\W+/g, '-'))
  await mkdir(home, { recursive: true })
  await writeFile(join(home, 'pool.yaml'), poolText(shape))
  await prepareDisks(home, shape)
  const sockets = join(home, 'sockets')
  const words = ['serve', '--vhost', '--config', join(home, 'pool.yaml'), '--sockets', sockets]
  const child = spawn(program, words, { stdio: ['ignore', 2, 2] })
  const pidFile = join(sockets, 'v.pid')
  await waitForProcess(pidFile, child)
  const stop = async (): Promise<void> => {
    await endProcess(pidFile)
    await rm(home, { recursive: true, force: true })
  }
  return { name: shape.name, ...placesOf(sockets, 'v'), pidFile, sockets, stop }
}

/** Another volume of a daemon's. Pure. */
export function otherVolume(server: Server, volume: string): Server {
  return { ...server, name: volume, ...placesOf(server.sockets, volume) }
}

function placesOf(sockets: string, volume: string): Pick<Server, 'uri' | 'vhostSocket'> {
  return {
    uri: `nbd+unix:///${volume}?socket=${join(sockets, `${volume}.sock`)}`,
    vhostSocket: join(sockets, `${volume}.vhost.sock`),
  }
}

/** Makes disks of files whose blocks have their place, as a block device's have and as the peer's
 *  file has. */
async function prepareDisks(home: string, shape: PoolShape): Promise<void> {
  for (let index = 0; index < shape.disks; index++) {
    const target = `of=${join(home, `d${index}.img`)}`
    const size = ['bs=1M', `count=${shape.diskMiB}`, 'oflag=direct', 'status=none']
    await run('dd', ['if=/dev/zero', target, ...size], TOOL)
  }
}

/** Starts qemu-storage-daemon over a file of whole data. Errors: PUR_EXEC_FAILED. */
export async function startQemu(
  folder: string,
  name: 'raw' | 'qcow2',
  sizeMiB: number,
): Promise<Server> {
  const home = join(folder, `qemu-${name}`)
  await mkdir(home, { recursive: true })
  const file = join(home, `disk.${name}`)
  await run('qemu-img', ['create', '-q', '-f', name, file, `${sizeMiB}M`], TOOL)
  const socket = join(home, 'x.sock')
  const vhostSocket = join(home, 'x.vhost.sock')
  const address = `addr.type=unix,addr.path=${vhostSocket}`
  const pidFile = join(home, 'x.pid')
  const protocol = `driver=file,filename=${file},node-name=file,cache.direct=on,aio=io_uring`
  const format = name === 'qcow2' ? ['--blockdev', 'driver=qcow2,file=file,node-name=top'] : []
  const node = name === 'qcow2' ? 'top' : 'file'
  await run(
    'qemu-storage-daemon',
    [
      ...['--daemonize', '--pidfile', pidFile, '--blockdev', protocol, ...format],
      ...['--nbd-server', `addr.type=unix,addr.path=${socket},max-connections=16`],
      ...['--export', `nbd,id=e,node-name=${node},name=x,writable=on`],
      ...['--export', `vhost-user-blk,id=v,node-name=${node},${address},writable=on`],
    ],
    TOOL,
  )
  const stop = async (): Promise<void> => {
    await endProcess(pidFile)
    await rm(home, { recursive: true, force: true })
  }
  return {
    name: `qemu ${name}`,
    uri: `nbd+unix:///x?socket=${socket}`,
    vhostSocket,
    pidFile,
    sockets: home,
    stop,
  }
}

/** Writes a server's whole volume, so that later reads find what was written. */
export async function fill(server: Server, signal: AbortSignal): Promise<void> {
  const words = ['--name=fill', '--ioengine=nbd', `--uri=${server.uri}`, '--thread', '--rw=write']
  await run('fio', [...words, '--bs=1M', '--iodepth=4', '--refill_buffers'], { ...TOOL, signal })
}

/** The process that serves now. Errors: ENOENT when none does. */
export async function processOf(server: Pick<Server, 'pidFile'>): Promise<number> {
  return Number(await readFile(server.pidFile, 'utf8'))
}

async function waitForProcess(pidFile: string, child: ChildProcess): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + START_MS
  while (systemClock.monotonicMs() < deadlineMs && child.exitCode === null) {
    const text = await readFile(pidFile, 'utf8').catch(() => '')
    // The socket appears right after its file of the process's id.
    if (Number(text) === child.pid) return await systemClock.sleep(100)
    await systemClock.sleep(20)
  }
  child.kill('SIGKILL')
  throw new PurlinError('PUR_DEADLINE_PASSED', {
    message: `purlin-blockd did not serve within ${START_MS / 1000} s: what it said stands above`,
  })
}

/** Ends a server that need not be a child of this process. */
async function endProcess(pidFile: string): Promise<void> {
  const id = await processOf({ pidFile }).catch(() => 0)
  const deadlineMs = systemClock.monotonicMs() + STOP_MS
  let isLate = false
  while (id > 0 && send(id, isLate ? 'SIGKILL' : 'SIGTERM')) {
    for (let waits = 0; waits < 20 && send(id, 0); waits++) await systemClock.sleep(50)
    isLate = systemClock.monotonicMs() > deadlineMs
  }
}

/** Whether there was such a process. */
function send(id: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(id, signal)
  } catch {
    return false
  }
}
