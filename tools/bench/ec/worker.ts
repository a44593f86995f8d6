import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { PurlinError } from '@purlin/base'

const ANSWER_TIMEOUT_MS = 120_000

/** How to start a worker of the line protocol. */
export interface WorkerCommand {
  readonly name: string
  readonly command: readonly [program: string, ...args: string[]]
  readonly environment?: Readonly<Record<string, string>>
}

/** What a worker says of a slice; `iters` 0 when it has no such operation. */
export interface Answer {
  readonly iters: number
  readonly bytes: number
  readonly ns: number
  readonly ok: boolean
}

/** A process pinned to one core that measures on request. One that ends by itself is told of once
 *  and left out of what follows: a peer's fault does not end the benchmark. */
export class Worker {
  readonly name: string
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>
  #gone = false

  constructor({ name, command, environment }: WorkerCommand, core: number) {
    this.name = name
    this.#child = spawn('taskset', ['--cpu-list', String(core), ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    })
    this.#child.stdin.on('error', () => {
      this.#gone = true
    })
    this.#child.on('error', () => {
      this.#gone = true
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Asks for a slice; undefined when the worker has no such operation, or is gone. */
  async ask(line: string): Promise<Answer | undefined> {
    if (this.#gone) return undefined
    this.#child.stdin.write(`${line}\n`)
    const silence = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_TIMEOUT_MS)
    const { value, done } = await this.#lines.next()
    clearTimeout(silence)
    if (done === true) {
      this.#gone = true
      process.stderr.write(`${this.name} ended at "${line}" and is left out from here on\n`)
      return undefined
    }
    const answer = readAnswer(this.name, value)
    return answer.iters === 0 ? undefined : answer
  }

  /** Lets the process end. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    await ended
  }
}

/** Reads a worker's answer. Pure. Errors: PUR_EXEC_FAILED when it is not of the protocol. */
export function readAnswer(name: string, line: string): Answer {
  try {
    const { iters, bytes, ns, ok } = JSON.parse(line) as Record<string, unknown>
    const counts = [iters, bytes, ns].every((one) => typeof one === 'number' && one >= 0)
    if (counts && typeof ok === 'boolean') {
      return { iters: Number(iters), bytes: Number(bytes), ns: Math.max(1, Number(ns)), ok }
    }
  } catch {
    // What follows is said of every line that is no answer.
  }
  throw new PurlinError('PUR_EXEC_FAILED', {
    message: `the worker ${name} answered what is not of the protocol: ${line.slice(0, 200)}`,
  })
}
