import { type ChildProcess, spawn } from 'node:child_process'
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
  status(): Promise<{ readonly process: number; readonly pools: readonly { name: string }[] }>
  /** Ends it, or the process that has taken over from it. */
  stop(): Promise<void>
}

const PROGRAM = new URL('../../../target/release/purlin-blockd', import.meta.url).pathname
const LIMIT_MS = 30_000

/** Starts the daemon that the set-up has built and waits until it answers. */
export async function startBlockDaemon(): Promise<TestBlockDaemon> {
  const folder = await mkdtemp(join(tmpdir(), 'bd-'))
  const [sockets, config] = [join(folder, 's'), join(folder, 'pools.yaml')]
  await writeFile(config, '# none yet\n')
  const words = ['serve', '--config', config, '--sockets', sockets]
  const daemon: ChildProcess = spawn(PROGRAM, words, { stdio: 'inherit' })
  const verb = (name: string) => run(PROGRAM, [name, '--sockets', sockets], { timeoutMs: 20_000 })
  const limit = Date.now() + LIMIT_MS
  const answers = () =>
    verb('status').then(
      () => true,
      () => false,
    )
  while (!(await answers())) {
    if (daemon.exitCode !== null || Date.now() > limit) throw new Error('no block daemon answers')
    await systemClock.sleep(50)
  }
  return {
    folder,
    sockets,
    configuration: `[storage]\nsockets = "${sockets}"\nconfiguration = "${config}"\nfolder = "${folder}"`,
    status: async () => JSON.parse((await verb('status')).stdout),
    stop: async () => {
      await verb('stop')
      const end = Date.now() + LIMIT_MS
      while (await answers()) {
        if (Date.now() > end) throw new Error('the block daemon does not stop')
        await systemClock.sleep(50)
      }
    },
  }
}
