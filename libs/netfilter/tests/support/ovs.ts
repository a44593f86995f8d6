import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@purlin/base'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'

/** Open vSwitch of our own, userspace datapath, in the present namespace. */
export interface Ovs {
  readonly folder: string
  vsctl(...args: readonly string[]): Promise<string>
  /** `input` goes to the program's standard input. */
  ofctl(args: readonly string[], input?: string): Promise<string>
  /** A command of the daemon itself, as `ovs-appctl` sends it, without a process for each. */
  appctl(method: string, ...params: readonly string[]): Promise<string>
  stop(): Promise<void>
}

/** Starts a database and a daemon that end with `stop`. */
export async function startOvs(): Promise<Ovs> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-openflow-'))
  const environment = { OVS_RUNDIR: folder }
  const children: ChildProcess[] = []
  const start = (program: string, args: readonly string[]): void => {
    const env = { ...process.env, ...environment }
    children.push(spawn(program, [...args], { stdio: 'ignore', env }))
  }
  const options = { timeoutMs: 30_000, environment }
  const vsctl = async (...args: readonly string[]): Promise<string> =>
    (await run('ovs-vsctl', [`--db=unix:${join(folder, 'db.sock')}`, ...args], options)).stdout
  const control = join(folder, 'vswitchd.ctl')
  await run('ovsdb-tool', ['create', join(folder, 'conf.db'), SCHEMA], options)
  start('ovsdb-server', [
    join(folder, 'conf.db'),
    `--remote=punix:${join(folder, 'db.sock')}`,
    `--unixctl=${join(folder, 'ovsdb.ctl')}`,
    '-vconsole:off',
  ])
  await appears(join(folder, 'db.sock'))
  await vsctl('--no-wait', 'init')
  start('ovs-vswitchd', [
    `unix:${join(folder, 'db.sock')}`,
    `--unixctl=${control}`,
    `--log-file=${join(folder, 'vswitchd.log')}`,
    '-vconsole:off',
  ])
  await appears(control)
  const calls = await rpcOf(control)
  return {
    folder,
    vsctl,
    ofctl: async (args, input) =>
      (await run('ovs-ofctl', args, { ...options, ...(input !== undefined && { input }) })).stdout,
    appctl: calls.call,
    stop: async () => {
      calls.close()
      await Promise.all(children.map(ended))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** JSON-RPC over the daemon's control socket. Answers come one after the other, without anything
 *  between them, so text is gathered until it is whole. */
async function rpcOf(path: string) {
  const socket = connect(path)
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const waiting = new Map<number, (answer: Answer) => void>()
  let gathered = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    gathered += text
    if (!gathered.endsWith('}')) return
    let answer: Answer
    try {
      answer = JSON.parse(gathered)
    } catch {
      return
    }
    gathered = ''
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  let last = 0
  return {
    /** One call at a time: the next is sent after the answer. */
    call: async (method: string, ...params: readonly string[]): Promise<string> => {
      const id = ++last
      const { result, error } = await new Promise<Answer>((resolve) => {
        waiting.set(id, resolve)
        socket.write(JSON.stringify({ id, method, params }))
      })
      if (error !== null) throw new Error(`${method} ${params.join(' ')}: ${error}`)
      return result ?? ''
    },
    close: () => socket.destroy(),
  }
}

interface Answer {
  readonly id: number
  readonly result: string | null
  readonly error: string | null
}

async function appears(path: string): Promise<void> {
  for (let tries = 1_000; tries > 0; tries--) {
    if (existsSync(path)) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`${path} did not appear`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exit
}
