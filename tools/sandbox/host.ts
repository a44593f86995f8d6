import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, type RunOptions, type RunOutcome, run, systemClock } from '@purlin/base'
import { type HostPaths, makeStateFolder, removeStateFolder } from './state-folder.ts'

const START_TIMEOUT_MS = 10_000
const END_TIMEOUT_MS = 10_000
const POLL_MS = 5
/** flock(1) ends with this when another process holds the lock. */
const LOCKED_EXIT_CODE = 75

/** What nsenter opens of the first process: network, mounts, names, IPC, processes, its root and
 *  working folder. */
const ENTER = ['--net', '--mount', '--uts', '--ipc', '--pid', '--root', '--wd', '--']

export interface HostOptions {
  readonly name: string
  /** A file that only one living host at a time can hold. */
  readonly lockFile?: string
}

/** A host of namespaces: network, mounts, processes, names and IPC of its own. Everything that runs
 *  in it ends with its first process, and that one ends with the process that started the host,
 *  however that ends. */
export class PrivateHost {
  readonly paths: HostPaths
  readonly #launched: ChildProcess
  readonly #firstProcess: string
  #ending: Promise<void> | undefined

  private constructor(paths: HostPaths, launched: ChildProcess, firstProcess: string) {
    this.paths = paths
    this.#launched = launched
    this.#firstProcess = firstProcess
  }

  /** Starts a host. Errors: PUR_SANDBOX_BUSY when the lock is held, PUR_HOST_UNFIT when the kernel
   *  or the user's rights do not allow namespaces, or when the disk is full. */
  static async start({ name, lockFile }: HostOptions): Promise<PrivateHost> {
    const paths = await makeStateFolder()
    try {
      const launched = launch(paths, name, lockFile)
      await waitUntilReady(paths, launched)
      return new PrivateHost(paths, launched, await onlyChildOf(launched.pid ?? 0))
    } catch (thrown) {
      await removeStateFolder(paths.folder)
      throw thrown
    }
  }

  /** Program and arguments that run `command` inside this host. */
  enter(command: readonly string[]): readonly [program: string, ...args: string[]] {
    return ['nsenter', '--target', this.#firstProcess, ...ENTER, ...command]
  }

  /** Runs a program inside to its end. Errors: those of `run`. */
  async run(
    program: string,
    args: readonly string[],
    options: RunOptions = { timeoutMs: 20_000 },
  ): Promise<RunOutcome> {
    const [enter, ...rest] = this.enter([program, ...args])
    return await run(enter, rest, options)
  }

  /** Starts a program inside that goes on; its output goes to `LOG.log` of the host's log
   *  folder. */
  spawn(
    command: readonly string[],
    log: string,
    environment: Readonly<Record<string, string>> = {},
  ): ChildProcess {
    const [program, ...args] = this.enter(command)
    return spawnLogged(program, args, join(this.paths.log, `${log}.log`), environment)
  }

  /** Whether the host lives. */
  get alive(): boolean {
    return this.#launched.exitCode === null && this.#launched.signalCode === null
  }

  /** Ends the host and all that is in it, and removes its folder. Can be called again, also
   *  meanwhile. */
  async end(): Promise<void> {
    this.#ending ??= this.#finish()
    await this.#ending
  }

  async #finish(): Promise<void> {
    if (this.alive) {
      const ended = once(this.#launched, 'exit', { signal: AbortSignal.timeout(END_TIMEOUT_MS) })
      try {
        process.kill(Number(this.#firstProcess), 'SIGKILL')
      } catch {
        // It has ended by itself just now.
      }
      await ended
    }
    await removeStateFolder(this.paths.folder)
  }
}

function launch(paths: HostPaths, name: string, lockFile: string | undefined): ChildProcess {
  const namespaces = ['--net', '--mount', '--pid', '--uts', '--ipc', '--propagation', 'private']
  const unshare = ['unshare', ...namespaces, '--fork', '--kill-child=KILL', '--mount-proc']
  // The lock is an open file that every process of the host inherits: it is free when the last of
  // them has ended.
  const lock = ['flock', '--nonblock', '--no-fork', '--conflict-exit-code', `${LOCKED_EXIT_CODE}`]
  const command = [
    ...(lockFile === undefined ? [] : [...lock, lockFile]),
    ...[...unshare, 'bash', join(import.meta.dirname, 'host-init.sh')],
  ]
  const environment = { STATE: paths.folder, HOST_NAME: name }
  const log = join(paths.log, 'init.log')
  return spawnLogged('setpriv', ['--pdeathsig', 'KILL', ...command], log, environment)
}

/** Starts a program in a session of its own, so that Ctrl-C at the terminal reaches this process
 *  alone. */
function spawnLogged(
  program: string,
  args: readonly string[],
  logFile: string,
  environment: Readonly<Record<string, string>>,
): ChildProcess {
  const log = openSync(logFile, 'a', 0o600)
  try {
    return spawn(program, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', log, log],
      detached: true,
      cwd: '/',
    })
  } finally {
    closeSync(log)
  }
}

async function waitUntilReady(paths: HostPaths, launched: ChildProcess): Promise<void> {
  const failed = once(launched, 'error').then(([error]) => error as Error)
  const deadlineMs = systemClock.monotonicMs() + START_TIMEOUT_MS
  for (;;) {
    const error = await Promise.race([failed, systemClock.sleep(POLL_MS)])
    if (error instanceof Error) throw unfit(error.message)
    const ready = await access(paths.ready).then(
      () => true,
      () => false,
    )
    if (ready) return
    const said = async (): Promise<string> =>
      (await readFile(join(paths.log, 'init.log'), 'utf8').catch(() => '')).trim().slice(-400)
    // The exit code is asked once, here: it may come while a file is looked at.
    if (launched.exitCode === LOCKED_EXIT_CODE) {
      throw new PurlinError('PUR_SANDBOX_BUSY', {
        message: 'a sandbox of this clone is already up',
      })
    }
    if (launched.exitCode !== null || launched.signalCode !== null) throw unfit(await said())
    if (systemClock.monotonicMs() > deadlineMs) {
      process.kill(-(launched.pid ?? 0), 'SIGKILL')
      throw unfit(`not ready after ${START_TIMEOUT_MS} ms: ${await said()}`)
    }
  }
}

function unfit(found: string): PurlinError {
  const full = /No space left/.test(found)
  const advice = full
    ? 'free some space below /tmp'
    : 'run as root on a machine (or in a container) that allows namespaces and mounts'
  return new PurlinError('PUR_HOST_UNFIT', {
    message: `the sandbox’s namespaces could not be made: ${found}; ${advice}`,
  })
}

async function onlyChildOf(parent: number): Promise<string> {
  const children = await run('pgrep', ['--parent', String(parent)], { timeoutMs: 5_000 })
  return children.stdout.trim().split('\n')[0] ?? ''
}
