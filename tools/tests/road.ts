import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, systemClock } from '@purlin/base'

const repository = join(import.meta.dirname, '../..')
const NODE = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']

/** A door of this clone as a person opens it, with a note and a lock of its own. */
export interface Door {
  readonly runFolder: string
  /** Starts `./purlin WORDS`. */
  open(words: readonly string[]): OpenDoor
}

/** A verb under way, or ended. */
export interface OpenDoor {
  readonly process: ChildProcess
  readonly exit: Promise<{
    readonly exitCode: number
    readonly stdout: string
    readonly stderr: string
  }>
  /** Resolves when standard error holds `text`. */
  said(text: string, timeoutMs: number): Promise<void>
}

/** Makes a door; the set-up was done by whoever runs the tests. */
export async function makeDoor(): Promise<Door> {
  const runFolder = await mkdtemp('/tmp/road-test-')
  const environment = {
    ...process.env,
    PURLIN_PREPARED: 'yes',
    PURLIN_RUN_FOLDER: runFolder,
    PURLIN_CALLER_FOLDER: repository,
  }
  return {
    runFolder,
    open: (words) => {
      const args = [...NODE, join(repository, 'tools/main.ts'), ...words]
      const child = spawn(process.execPath, args, {
        cwd: repository,
        env: environment,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let stdout = ''
      let stderr = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
      })
      return {
        process: child,
        exit: once(child, 'close').then(([code]) => ({
          exitCode: typeof code === 'number' ? code : -1,
          stdout,
          stderr,
        })),
        said: async (text, timeoutMs) => {
          const limit = systemClock.monotonicMs() + timeoutMs
          while (!stderr.includes(text)) {
            if (child.exitCode !== null || systemClock.monotonicMs() > limit) {
              throw new PurlinError('PUR_DEADLINE_PASSED', {
                message: `"${text}" was not said within ${timeoutMs} ms, but: ${stderr.slice(-1500)}`,
              })
            }
            await systemClock.sleep(50)
          }
        },
      }
    },
  }
}
