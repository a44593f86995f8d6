import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { run, systemClock } from '@purlin/base'
import { repository } from '../repository.ts'
import { imagesFolder } from '../setup/set-up.ts'
import { eventually } from './volume-host.ts'

const DAEMON = join(repository, 'target/release/purlin-blockd')
const DISK_BYTES = 256 * 2 ** 20

/** A machine of QEMU's own, without libvirt, whose disk is a volume by vhost-user. */
export interface VhostMachine extends AsyncDisposable {
  /** Runs a script in the guest; answers what it printed. */
  guest(script: string): Promise<string>
  startDaemon(): Promise<void>
  killDaemon(): Promise<void>
  upgradeDaemon(): Promise<void>
  /** Makes the volume larger, in bytes. */
  grow(sizeBytes: number): Promise<void>
}

/** Starts a daemon with a volume of 64 MiB and the probe guest on it. */
export async function startVhostMachine(): Promise<VhostMachine> {
  const folder = await mkdtemp('/tmp/vu-')
  const sockets = join(folder, 's')
  const children: ChildProcess[] = []
  const disk = await open(join(folder, 'd0'), 'w')
  await disk.truncate(DISK_BYTES)
  await disk.close()
  await writeFile(join(folder, 'pools.yaml'), POOLS)
  const verb = async (...more: string[]): Promise<string> =>
    (await run(DAEMON, [...more, '--sockets', sockets], { timeoutMs: 60_000 })).stdout
  const process_ = async (): Promise<number> => JSON.parse(await verb('status')).process
  const serve = ['serve', '--vhost', '--config', join(folder, 'pools.yaml'), '--sockets', sockets]
  const startDaemon = async (): Promise<void> => {
    children.push(spawn(DAEMON, serve, { stdio: ['ignore', 'inherit', 'inherit'] }))
    await eventually('the block daemon answers', async () => (await process_()) > 0)
  }
  await startDaemon()
  children.push(await startGuest(folder, join(sockets, 'vol-a.vhost.sock')))
  const agent = new Agent(join(folder, 'agent'))
  await eventually('the guest answers', async () => (await agent.run('echo up')) === 'up\n')
  await eventually('it sees its disk', async () => (await agent.run('ls /dev/vda')) !== '')
  return {
    guest: (script) => agent.run(script),
    startDaemon,
    killDaemon: async () => {
      process.kill(await process_(), 'SIGKILL')
      await eventually('it is gone', () =>
        process_().then(
          () => false,
          () => true,
        ),
      )
    },
    upgradeDaemon: async () => {
      const before = await process_()
      await verb('upgrade')
      await eventually('another process serves', async () => (await process_()) !== before)
    },
    grow: (sizeBytes) => control(join(sockets, 'blockd.control.sock'), sizeBytes),
    [Symbol.asyncDispose]: async () => {
      const last = await process_().catch(() => undefined)
      if (last !== undefined) process.kill(last, 'SIGKILL')
      for (const child of children) {
        child.kill('SIGKILL')
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const POOLS = `kind: StoragePool
name: fast
spec:
  redundancy: { replicas: 1 }
  disks:
    - { name: d0, server: s0, path: ./d0 }
---
kind: Volume
name: vol-a
spec: { pool: fast, sizeGiB: 0.0625 }
`

/** The guest's memory is shared and cannot shrink, as the daemon wants it; its two processors have
 *  a queue each. */
async function startGuest(folder: string, socket: string): Promise<ChildProcess> {
  const probe = join(imagesFolder, 'probe')
  const image = JSON.parse(await readFile(join(probe, 'image.json'), 'utf8'))
  const words = [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', 'q35,memory-backend=memory', '-accel', 'tcg,tb-size=64', '-cpu', 'max'],
    ...['-object', 'memory-backend-memfd,id=memory,size=160M,share=on', '-m', '160M', '-smp', '2'],
    ...['-kernel', join(probe, image.kernel), '-initrd', join(probe, image.initrd)],
    ...['-append', image.cmdline, '-serial', `file:${join(folder, 'console')}`],
    ...['-chardev', `socket,id=agent,path=${join(folder, 'agent')},server=on,wait=off`],
    ...['-device', 'virtio-serial-pci'],
    ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ...['-chardev', `socket,id=volume,path=${socket},reconnect=1`],
    ...['-device', 'vhost-user-blk-pci,chardev=volume,num-queues=2'],
  ]
  // The guest ends with this process, however that ends.
  const command = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...words]
  return spawn('setpriv', command, { stdio: ['ignore', 'inherit', 'inherit'] })
}

/** One call of the daemon's control socket. */
async function control(path: string, sizeBytes: number): Promise<void> {
  const grow = { pool: 'fast', name: 'vol-a', sizeBytes }
  const call = { version: 1, id: 1, call: 'volume-grow', arguments: grow }
  const answer = await ask(path, JSON.stringify(call))
  if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error))
}

const ANSWER_LIMIT_MS = 20_000

/** Sends a line and takes one. */
async function ask(path: string, line: string): Promise<Record<string, unknown>> {
  const socket = createConnection(path)
  socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy(new Error(`${path} does not answer`)))
  try {
    socket.write(`${line}\n`)
    for await (const answer of createInterface({ input: socket })) return JSON.parse(answer)
    throw new Error(`${path} hung up`)
  } finally {
    socket.destroy()
  }
}

/** QEMU's guest agent, one question a connection. */
class Agent {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async run(script: string): Promise<string> {
    const arg = ['sh', '-c', script]
    const started = await this.#ask('guest-exec', {
      ...{ path: '/bin/busybox', arg, 'capture-output': true },
    })
    for (;;) {
      const status = await this.#ask('guest-exec-status', { pid: started.pid })
      if (status.exited !== true) {
        await systemClock.sleep(50)
        continue
      }
      const text = (name: string): string =>
        Buffer.from(String(status[name] ?? ''), 'base64').toString()
      if (status.exitcode === 0) return text('out-data')
      throw new Error(`${script}: ${status.exitcode}: ${text('out-data')}${text('err-data')}`)
    }
  }

  async #ask(execute: string, arguments_: object): Promise<Record<string, unknown>> {
    const answer = await ask(this.#path, JSON.stringify({ execute, arguments: arguments_ }))
    if (typeof answer.return === 'object') return Object(answer.return)
    throw new Error(`${execute}: ${JSON.stringify(answer)}`)
  }
}
