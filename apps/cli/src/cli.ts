import { readFileSync } from 'node:fs'
import type { Task } from '@purlin/schema'
import {
  type Client,
  type ClientTarget,
  createClient,
  DEFAULT_SOCKET_PATH,
  type TaskHandle,
} from '@purlin/sdk'
import { stringify } from 'yaml'
import { CommandFailure, exitCodes } from './exit-codes.ts'
import { ProgressLine } from './output/progress.ts'
import { renderTable, type Table } from './output/table.ts'
import type { Streams } from './streams.ts'

/** Options that stand before or behind any verb. */
export interface GlobalOptions {
  readonly output: 'table' | 'json' | 'yaml' | 'svg'
  readonly socket?: string
  readonly url?: string
  readonly tokenFile?: string
}

/** Options of verbs that begin a task. */
export interface WaitOptions {
  readonly wait: boolean
  /** Seconds. */
  readonly timeout: number
}

const SECOND_MS = 1_000
/** A person waits at the other end, so an agent that is away is told early. */
const ATTEMPTS = 3

/** What verbs work with: the agent, the output, the exit code. */
export class Cli {
  readonly streams: Streams
  readonly #options: () => GlobalOptions
  #client: Client | undefined
  /** What the run ends with when nothing is thrown. */
  exitCode: number = exitCodes.ok

  constructor(streams: Streams, options: () => GlobalOptions) {
    this.streams = streams
    this.#options = options
  }

  get output(): GlobalOptions['output'] {
    return this.#options().output
  }

  get colours(): boolean {
    const { environment, stdout } = this.streams
    return stdout.isTerminal && (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb'
  }

  /** The client of the agent that options and environment name. */
  get client(): Client {
    this.#client ??= createClient(targetOf(this.#options(), this.streams.environment), {
      attempts: ATTEMPTS,
      signal: this.streams.signal,
    })
    return this.#client
  }

  /** Prints a result: in a table, exactly as the API gave it, or, where it can be drawn, as a
   *  picture. */
  print(result: unknown, table: () => string | Table, picture?: () => string): void {
    this.streams.stdout.write(this.#rendered(result, table, picture))
  }

  /** Says something that is no result. */
  say(sentence: string): void {
    this.streams.stderr.write(`${sentence}\n`)
  }

  /** Waits for a task with its progress on standard error, unless it was told not to. */
  async finish(handle: TaskHandle, { wait, timeout }: WaitOptions): Promise<Task> {
    if (!wait) return handle.task
    const line = new ProgressLine(this.streams.stderr, handle.task.verb)
    try {
      return await handle.wait({
        signal: this.streams.signal,
        deadlineMs: timeout * SECOND_MS,
        onProgress: (progress) => line.show(progress),
      })
    } catch (thrown) {
      line.clear()
      if (this.streams.signal.aborted) {
        const message = `no longer waiting; task ${handle.id} goes on: purlin task wait ${handle.id}`
        throw new CommandFailure(message, exitCodes.interrupted)
      }
      throw thrown
    } finally {
      line.clear()
    }
  }

  async close(): Promise<void> {
    await this.#client?.close()
  }

  #rendered(
    result: unknown,
    table: () => string | Table,
    picture: (() => string) | undefined,
  ): string {
    if (this.output === 'svg') {
      if (picture !== undefined) return picture()
      throw new CommandFailure('-o svg is for what can be drawn: switch show', exitCodes.usage)
    }
    if (this.output === 'json') return `${JSON.stringify(result, null, 2)}\n`
    if (this.output === 'yaml') return stringify(result)
    const made = table()
    return typeof made === 'string' ? made : renderTable(made, this.colours)
  }
}

/** Options win over the environment; a token never comes from the command line itself, where every
 *  user of the host could read it. */
function targetOf(
  { socket, url, tokenFile }: GlobalOptions,
  environment: Streams['environment'],
): ClientTarget {
  if (socket !== undefined && url !== undefined) {
    throw new CommandFailure('--socket and --url exclude each other', exitCodes.usage)
  }
  const chosenUrl = url ?? (socket === undefined ? environment.PURLIN_URL : undefined)
  if (chosenUrl === undefined || chosenUrl === '') {
    return { socketPath: socket ?? (environment.PURLIN_SOCKET || DEFAULT_SOCKET_PATH) }
  }
  if (!URL.canParse(chosenUrl)) {
    throw new CommandFailure(
      `${chosenUrl} is no URL such as http://127.0.0.1:7770`,
      exitCodes.usage,
    )
  }
  const file = tokenFile ?? environment.PURLIN_TOKEN_FILE
  return { url: chosenUrl, ...(file && { token: tokenIn(file) }) }
}

function tokenIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (thrown) {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new CommandFailure(`token file ${file}: ${found}`)
  }
}
