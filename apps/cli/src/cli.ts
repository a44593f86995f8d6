import { readFileSync } from 'node:fs'
import { isBareMetalKind, isHostKind, type Kind, type Resource, type Task } from '@purlin/schema'
import {
  type BareMetalClient,
  type Client,
  type ClientOptions,
  type ClientTarget,
  createBareMetalClient,
  createClient,
  type DaemonClient,
  DEFAULT_BARE_METAL_SOCKET_PATH,
  DEFAULT_SOCKET_PATH,
  type RevisionOptions,
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

/** Whose daemon is spoken to: a host's agent, or that of a deployment network. */
export type Side = 'host' | 'bare-metal'

/** The resources of a kind that is known at run time; kinds that a daemon writes alone lack
 *  `delete`. */
export interface AnyCollection {
  get(name: string): Promise<Resource>
  list(): Promise<readonly Resource[]>
  delete?(name: string, options?: RevisionOptions): Promise<TaskHandle>
}

/** What verbs work with: the daemons, the output, the exit code. */
export class Cli {
  readonly streams: Streams
  readonly #options: () => GlobalOptions
  #client: Client | undefined
  #metal: BareMetalClient | undefined
  #views: { readonly host: Cli; readonly 'bare-metal': Cli } | undefined
  readonly #root: Cli
  readonly side: Side
  #exitCode: number = exitCodes.ok

  constructor(streams: Streams, options: () => GlobalOptions, root?: Cli) {
    this.streams = streams
    this.#options = options
    this.#root = root ?? this
    this.side = root === undefined ? 'host' : 'bare-metal'
  }

  /** What the run ends with when nothing is thrown. */
  get exitCode(): number {
    return this.#root.#exitCode
  }

  set exitCode(code: number) {
    this.#root.#exitCode = code
  }

  /** The same command, with the daemon of that side where both have a call. */
  on(side: Side): Cli {
    const root = this.#root
    root.#views ??= { host: root, 'bare-metal': new Cli(root.streams, root.#options, root) }
    return root.#views[side]
  }

  /** The command as it is for resources of the kind. */
  of(kind: Kind): Cli {
    if (this.side === 'bare-metal' && isBareMetalKind(kind)) return this
    return this.on(isHostKind(kind) ? 'host' : 'bare-metal')
  }

  /** The daemon of this side. */
  get daemon(): DaemonClient {
    return this.side === 'host' ? this.client : this.metal
  }

  /** The resources of a kind, where its daemon has them. */
  resources(kind: Kind): AnyCollection {
    const { side } = this.of(kind)
    if (side === 'host' && isHostKind(kind)) return this.client.resources(kind)
    if (side === 'bare-metal' && isBareMetalKind(kind)) return this.metal.resources(kind)
    throw new CommandFailure(`${kind} is of no daemon`, exitCodes.usage)
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
    const root = this.#root
    root.#client ??= createClient(root.#target('host'), root.#clientOptions)
    return root.#client
  }

  /** The client of the daemon of a deployment network. */
  get metal(): BareMetalClient {
    const root = this.#root
    root.#metal ??= createBareMetalClient(root.#target('bare-metal'), root.#clientOptions)
    return root.#metal
  }

  get #clientOptions(): ClientOptions {
    return { attempts: ATTEMPTS, signal: this.streams.signal }
  }

  #target(side: Side): ClientTarget {
    return targetOf(side, this.#options(), this.streams.environment)
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

  /** Waits for a task with its progress on standard error, unless it was told not to; `quiet`:
   *  somebody else shows how far it is. */
  async finish(
    handle: TaskHandle,
    { wait, timeout, quiet = false }: WaitOptions & { readonly quiet?: boolean },
  ): Promise<Task> {
    if (!wait) return handle.task
    const line = new ProgressLine(this.streams.stderr, handle.task.verb)
    try {
      return await handle.wait({
        signal: this.streams.signal,
        deadlineMs: timeout * SECOND_MS,
        onProgress: (progress) => {
          if (!quiet) line.show(progress)
        },
      })
    } catch (thrown) {
      line.clear()
      if (this.streams.signal.aborted) {
        const message = `no longer waiting; task ${handle.id} goes on: ${this.#waitCommand} ${handle.id}`
        throw new CommandFailure(message, exitCodes.interrupted)
      }
      throw thrown
    } finally {
      line.clear()
    }
  }

  get #waitCommand(): string {
    return this.side === 'host' ? 'purlin task wait' : 'purlin bm task wait'
  }

  async close(): Promise<void> {
    await this.#client?.close()
    await this.#metal?.close()
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

const NAMES = {
  host: {
    socket: 'PURLIN_SOCKET',
    url: 'PURLIN_URL',
    tokenFile: 'PURLIN_TOKEN_FILE',
    socketPath: DEFAULT_SOCKET_PATH,
  },
  'bare-metal': {
    socket: 'PURLIN_BAREMETAL_SOCKET',
    url: 'PURLIN_BAREMETAL_URL',
    tokenFile: 'PURLIN_BAREMETAL_TOKEN_FILE',
    socketPath: DEFAULT_BARE_METAL_SOCKET_PATH,
  },
} as const

/** Options win over the environment; a token never comes from the command line itself, where every
 *  user of the host could read it. */
function targetOf(
  side: Side,
  { socket, url, tokenFile }: GlobalOptions,
  environment: Streams['environment'],
): ClientTarget {
  if (socket !== undefined && url !== undefined) {
    throw new CommandFailure('--socket and --url exclude each other', exitCodes.usage)
  }
  const named = NAMES[side]
  const chosenUrl = url ?? (socket === undefined ? environment[named.url] : undefined)
  if (chosenUrl === undefined || chosenUrl === '') {
    return { socketPath: socket ?? (environment[named.socket] || named.socketPath) }
  }
  if (!URL.canParse(chosenUrl)) {
    throw new CommandFailure(
      `${chosenUrl} is no URL such as http://127.0.0.1:7770`,
      exitCodes.usage,
    )
  }
  const file = tokenFile ?? environment[named.tokenFile]
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
