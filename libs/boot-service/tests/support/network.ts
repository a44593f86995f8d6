import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import type { Question, Told } from './client.ts'

const CLIENT = fileURLToPath(new URL('./client.ts', import.meta.url))

/** A machine's stand-in on the deployment network: a namespace whose eth0 is on its bridge. */
export interface Machine {
  /** Asks all questions at once and answers what was told to each. */
  ask(...questions: readonly Question[]): Promise<readonly Told[]>
  /** Starts a DHCP server of somebody else's in it. */
  serve(server: string, offered: string): Promise<ChildProcess>
  command(program: string, ...args: readonly string[]): Promise<string>
}

export interface TestNetwork {
  machine(address?: string): Promise<Machine>
  stop(): Promise<void>
}

/** Makes a bridge with an address in this host, which must be a private one. */
export async function makeNetwork(bridge: string, cidr: string): Promise<TestNetwork> {
  const children = new Set<ChildProcess>()
  let count = 0
  await ip('link', 'set', 'lo', 'up')
  await ip('link', 'add', bridge, 'type', 'bridge')
  await ip('address', 'add', cidr, 'dev', bridge)
  await ip('link', 'set', bridge, 'up')
  return {
    machine: async (address) => {
      const holder = spawn('unshare', ['--net', '--', 'sleep', 'infinity'], { stdio: 'ignore' })
      children.add(holder)
      const namespace = `/proc/${holder.pid}/ns/net`
      await until(async () => (await nameOf(namespace)) !== (await nameOf('/proc/self/ns/net')))
      const inside = ['nsenter', `--net=${namespace}`, '--']
      const command = async (program: string, ...args: readonly string[]): Promise<string> => {
        const [first = '', ...rest] = [...inside, program, ...args]
        return (await run(first, rest, { timeoutMs: 60_000 })).stdout
      }
      const link = `n${count++}`
      const peer = ['peer', 'name', 'eth0', 'netns', String(holder.pid)]
      await ip('link', 'add', link, 'type', 'veth', ...peer)
      await ip('link', 'set', link, 'master', bridge, 'up')
      await command('ip', 'link', 'set', 'lo', 'up')
      await command('ip', 'link', 'set', 'eth0', 'up')
      if (address !== undefined) await command('ip', 'address', 'add', address, 'dev', 'eth0')
      await command('ip', 'route', 'replace', '255.255.255.255/32', 'dev', 'eth0')
      const node = [process.execPath, '--conditions=purlin-source', CLIENT]
      return {
        command,
        ask: async (...questions) => {
          const [program = '', ...args] = [...node, 'ask', JSON.stringify(questions)]
          return JSON.parse(await command(program, ...args))
        },
        serve: async (server, offered) => {
          const [program = '', ...args] = [...inside, ...node, 'serve', server, offered]
          const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
          children.add(child)
          await once(child.stdout, 'readable')
          return child
        },
      }
    },
    stop: async () => {
      await Promise.all([...children].map((child) => ended(child)))
      for (let index = 0; index < count; index++) {
        await ip('link', 'delete', `n${index}`).catch(() => {})
      }
      await ip('link', 'delete', bridge)
    },
  }
}

/** Ends a child and waits until it has. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

/** Waits until `met`, at most `limitMs`. */
export async function until(
  met: () => boolean | Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!(await met())) {
    if (performance.now() > endMs) throw new Error(`not met within ${limitMs} ms`)
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
}

async function ip(...args: readonly string[]): Promise<void> {
  await run('ip', args, { timeoutMs: 10_000 })
}

async function nameOf(namespace: string): Promise<string> {
  const options = { timeoutMs: 5_000, acceptedExitCodes: [1] }
  return (await run('readlink', [namespace], options)).stdout
}
