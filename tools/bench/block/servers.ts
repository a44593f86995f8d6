import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run, systemClock } from '@purlin/base'
import { repository } from '../../repository.ts'

/** The daemon as a clone's set-up builds it. */
const PROGRAM = join(repository, 'target/release/purlin-blockd')
const START_MS = 60_000
const STOP_MS = 90_000
const TOOL = { timeoutMs: 10 * 60_000 }
export const MIB = 1024 * 1024

/** A block server that is measured. */
export interface Server {
  readonly name: string
  readonly uri: string
  readonly process: number
  /** The folder of its sockets. */
  readonly sockets: string
  readonly stop: () => Promise<void>
}

/** A pool of the daemon. */
export interface PoolShape {
  readonly name: string
  readonly redundancy: string
  readonly disks: number
  readonly diskGiB: number
  readonly volumeMiB: number
}

/** Starts a daemon with one pool and one volume `v`. Errors: PUR_DEADLINE_PASSED when it does not
 *  serve in time. */
export async function startPurlin(folder: string, shape: PoolShape): Promise<Server> {
  // The path becomes part of a URI.
  const home = join(folder, shape.name.replaceAll(/\W+/g, '-'))
  await mkdir(home, { recursive: true })
  await writeFile(join(home, 'pool.yaml'), poolText(shape))
  await prepareDisks(home, shape)
  const sockets = join(home, 'sockets')
  const words = ['serve', '--config', join(home, 'pool.yaml'), '--sockets', sockets]
  const child = spawn(PROGRAM, words, { stdio: ['ignore', 2, 2] })
  const socket = join(sockets, 'v.sock')
  const process = await waitForProcess(join(sockets, 'v.pid'), child)
  const uri = `nbd+unix:///v?socket=${socket}`
  return { name: shape.name, uri, process, sockets, stop: () => stopChild(child, home) }
}

/** Makes disks of files whose blocks have their place, as a block device's have and as the peer's
 *  file has. */
async function prepareDisks(home: string, shape: PoolShape): Promise<void> {
  for (let index = 0; index < shape.disks; index++) {
    const target = `of=${join(home, `d${index}.img`)}`
    const size = ['bs=1M', `count=${shape.diskGiB * 1024}`, 'oflag=direct', 'status=none']
    await run('dd', ['if=/dev/zero', target, ...size], TOOL)
  }
}

/** The configuration of one pool with one volume. Pure. */
export function poolText(shape: PoolShape): string {
  const disks = Array.from({ length: shape.disks }, (_, index) => {
    const name = `d${index}`
    return `    - { name: ${name}, server: s${index}, path: ./${name}.img, sizeGiB: ${shape.diskGiB} }`
  })
  return [
    'kind: StoragePool',
    'name: p',
    'spec:',
    `  redundancy: ${shape.redundancy}`,
    '  disks:',
    ...disks,
    '---',
    'kind: Volume',
    'name: v',
    `spec: { pool: p, sizeGiB: ${shape.volumeMiB / 1024} }`,
    '',
  ].join('\n')
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
    ],
    TOOL,
  )
  const id = Number(await readFile(pidFile, 'utf8'))
  const stop = async (): Promise<void> => {
    process.kill(id)
    await rm(home, { recursive: true, force: true })
  }
  return {
    name: `qemu ${name}`,
    uri: `nbd+unix:///x?socket=${socket}`,
    process: id,
    sockets: home,
    stop,
  }
}

/** Writes a server's whole volume, so that later reads find what was written. */
export async function fill(server: Server, signal: AbortSignal): Promise<void> {
  const words = ['--name=fill', '--ioengine=nbd', `--uri=${server.uri}`, '--thread', '--rw=write']
  await run('fio', [...words, '--bs=1M', '--iodepth=4', '--refill_buffers'], { ...TOOL, signal })
}

async function waitForProcess(file: string, child: ChildProcess): Promise<number> {
  const deadlineMs = systemClock.monotonicMs() + START_MS
  while (systemClock.monotonicMs() < deadlineMs && child.exitCode === null) {
    const text = await readFile(file, 'utf8').catch(() => '')
    // The socket appears right after its file of the process's id.
    if (Number(text) === child.pid) return await systemClock.sleep(100).then(() => Number(text))
    await systemClock.sleep(20)
  }
  child.kill('SIGKILL')
  throw new PurlinError('PUR_DEADLINE_PASSED', {
    message: `purlin-blockd did not serve within ${START_MS / 1000} s: what it said stands above`,
  })
}

async function stopChild(child: ChildProcess, home: string): Promise<void> {
  if (child.exitCode === null) {
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(STOP_MS) })
    child.kill('SIGTERM')
    await ended
  }
  await rm(home, { recursive: true, force: true })
}
