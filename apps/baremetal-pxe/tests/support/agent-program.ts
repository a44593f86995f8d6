import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The agent as it is built for packages. */
export const agentProgram = join(
  import.meta.dirname,
  '../../../../.purlin/bm-agent/purlin-bm-agent',
)

/** A program that runs until {@link Running.end}. */
export interface Running {
  readonly child: ChildProcess
  /** What it has written to standard error so far. */
  told(): string
  end(): Promise<void>
}

/** Starts a program in this host. */
export function start(program: string, words: readonly string[]): Running {
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  let told = ''
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    told += piece
  })
  const ended = once(child, 'exit')
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  return { child, told: () => told, end }
}

/** The text at `url` once something answers there. Errors: nothing does within a minute, or the
 *  program that should has ended. */
export async function textAt(url: string, by: Running): Promise<string> {
  const endMs = performance.now() + 60_000
  for (;;) {
    try {
      return await (await fetch(url, { signal: AbortSignal.timeout(20_000) })).text()
    } catch (error) {
      if (by.child.exitCode !== null) throw new Error(`it has ended: ${by.told()}`)
      if (performance.now() > endMs) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Bytes of memory that a process has to itself or shares, and that are in RAM (proc(5)). */
export async function residentBytes({ child }: Running): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(status)?.[1]) * 1024
}
