import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'

/** A real block daemon without pools, in a folder of its own. */
export interface TestBlockDaemon {
  readonly folder: string
  readonly sockets: string
  /** TOML for an agent that drives it. */
  readonly configuration: string
  /** How it is, as its own verb prints it. */
  status(): Promise<DaemonSight>
  /** kill -9 of whoever serves, and after `between` another process that reads its file anew. */
  startAgain(between: () => Promise<void>): Promise<void>
  /** Ends it, or the process that has taken over from it. */
  stop(): Promise<void>
}

interface DaemonSight {
  readonly process: number
  readonly pools: readonly {
    readonly name: string
    readonly engine?: {
      readonly moving: { readonly rebuiltBytes: number }
    }
  }[]
}

const PROGRAM = new URL('../../../target/release/purlin-blockd', import.meta.url).pathname
const LIMIT_MS = 30_000

/** Starts the daemon that the set-up has built and waits until it answers. */
export async function startBlockDaemon(): Promise<TestBlockDaemon> {
  const folder = await mkdtemp(join(tmpdir(), 'bd-'))
  const [sockets, config] = [join(folder, 's'), join(folder, 'pools.yaml')]
  await writeFile(config, '# none yet\n')
  const words = ['serve', '--config', config, '--sockets', sockets]
  const verb = (name: string) => run(PROGRAM, [name, '--sockets', sockets], { timeoutMs: 20_000 })
  const status = async (): Promise<DaemonSight> => JSON.parse((await verb('status')).stdout)
  const answers = () =>
    verb('status').then(
      () => true,
      () => false,
    )
  const start = async (): Promise<ChildProcess> => {
    const daemon = spawn(PROGRAM, words, { stdio: 'inherit' })
    const limit = Date.now() + LIMIT_MS
    while (!(await answers())) {
      if (daemon.exitCode !== null || Date.now() > limit) throw new Error('no block daemon answers')
      await systemClock.sleep(50)
    }
    return daemon
  }
  const gone = async (): Promise<void> => {
    const limit = Date.now() + LIMIT_MS
    while (await answers()) {
      if (Date.now() > limit) throw new Error('the block daemon does not stop')
      await systemClock.sleep(50)
    }
  }
  let child = await start()
  return {
    folder,
    sockets,
    configuration: `[storage]\nsockets = "${sockets}"\nconfiguration = "${config}"\nfolder = "${folder}"`,
    status,
    startAgain: async (between) => {
      process.kill((await status()).process, 'SIGKILL')
      await gone()
      // A process that took over from it is not a child of this one.
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      await between()
      child = await start()
    },
    stop: async () => {
      await verb('stop')
      await gone()
    },
  }
}
