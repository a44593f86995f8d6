import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { PurlinError, withDeadline } from '@purlin/base'
import { NFT_PROGRAM, TABLE_NAME, type TableFamily, tableFamilies } from '../target/names.ts'

/** One nft program that stays and takes transactions line by line. Between two commits nothing is
 *  started, and the end of a program that deleted something, which waits for the kernel to free it,
 *  is not waited for: about 5 ms a commit against 50. */
export interface NftSession {
  /** Loads the lines as one transaction. Answers the program's complaint, empty where it had
   *  none. */
  load(lines: readonly string[], signal: AbortSignal): Promise<string>
  /** Lists those of our tables that exist, each as `nft -j list table` would. */
  list(
    tables: readonly TableFamily[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<TableFamily, string>>
  close(): void
  /** Closes it once the questions that it was asked are answered. */
  retire(): void
  /** Whether it has ended, or has done enough to be replaced. */
  readonly spent: boolean
  /** Whether it has answered at least once. */
  readonly answered: boolean
}

export type OpenNftSession = () => NftSession

/** Longer transactions go to a program of their own. */
export const SESSION_TEXT_LIMIT = 32_768
/** The program remembers every line it was given, so it does not live for ever. */
const LIFE_LINES = 500
/** Answered with chains alone, whatever there is; the listing of a table names the table first. */
const LAST_QUESTION = 'list chains arp'
const ANSWER_DEADLINE_MS = 10_000

/** Starts `nft -i`. */
export const openNftSession: OpenNftSession = () => {
  // Without a home folder the program keeps no history file.
  const environment = { PATH: '/usr/sbin:/usr/bin', HOME: '/nonexistent' }
  const child = spawn(NFT_PROGRAM, ['-j', '-i'], { env: environment })
  return new InteractiveSession(child)
}

class InteractiveSession implements NftSession {
  readonly #child: ChildProcessWithoutNullStreams
  #ended = false
  #answered = false
  #turn: Promise<unknown> = Promise.resolve()
  #lines = 0
  #complaints = ''
  #answers = ''
  #onNews: () => void = () => undefined
  /** Our tables that were there when they were last asked for. */
  #seen: ReadonlySet<TableFamily> = new Set()

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#answers += text
      this.#onNews()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints += text
      this.#onNews()
    })
    const end = (): void => {
      this.#ended = true
      this.#onNews()
    }
    child.on('error', end).on('close', end)
    child.stdin.on('error', end)
    // It must not keep its parent alive; when the parent ends, so does its input, and so does it.
    child.unref()
    for (const stream of [child.stdin, child.stdout, child.stderr]) {
      if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
    }
  }

  get spent(): boolean {
    return this.#ended || this.#lines >= LIFE_LINES
  }

  get answered(): boolean {
    return this.#answered
  }

  /** The program says nothing when a transaction is done. A word that it does not know, in a
   *  line of its own, makes it complain; whatever it had to say about the transaction comes
   *  before that. */
  async load(lines: readonly string[], signal: AbortSignal): Promise<string> {
    return await this.#inTurn(() => this.#load(lines, signal))
  }

  async #load(lines: readonly string[], signal: AbortSignal): Promise<string> {
    const mark = `end-of-${++this.#lines}`
    this.#complaints = ''
    this.#child.stdin.write(`${lines.join('; ')}\n${mark}\n`)
    return await this.#await(signal, () => {
      const at = this.#complaints.indexOf(`\n${mark}\n`)
      if (at < 0) return undefined
      const before = this.#complaints.slice(0, at)
      const own = before.lastIndexOf('Error: syntax error')
      // The carets under the word before may arrive late, at the head of what follows.
      return before
        .slice(0, Math.max(own, 0))
        .replace(/^[\s^]+/, '')
        .trim()
    })
  }

  /** Of a missing table the program only complains, so it is asked first which there are, unless
   *  they were there the last time. */
  async list(
    tables: readonly TableFamily[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<TableFamily, string>> {
    return await this.#inTurn(() => this.#list(tables, signal))
  }

  async #list(
    tables: readonly TableFamily[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<TableFamily, string>> {
    if (!tables.every((table) => this.#seen.has(table))) {
      const [there = ''] = await this.#ask(['list tables'], 1, signal)
      this.#seen = new Set(tableFamilies.filter((table) => there.includes(tableStart(table))))
    }
    const present = tables.filter((table) => this.#seen.has(table))
    if (present.length === 0) return new Map()
    // Of two tables with one name it finds only the last when both are asked for in one line.
    const lines = present.map((table) => `list table ${table} ${TABLE_NAME}`)
    const listings = await this.#ask([...lines, LAST_QUESTION], undefined, signal)
    const found = present.flatMap((table): [TableFamily, string][] => {
      const listing = listings.find((each) => each.includes(tableStart(table)))
      return listing === undefined ? [] : [[table, listing]]
    })
    if (found.length < present.length) {
      // One has gone since: the complaint about it must not be taken for an answer to what follows.
      this.#seen = new Set()
      await this.#load([], signal)
    }
    return new Map(found)
  }

  /** The answers to lines that ask: so many, or all before that to LAST_QUESTION. */
  async #ask(
    lines: readonly string[],
    count: number | undefined,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    this.#answers = ''
    this.#lines += lines.length
    this.#child.stdin.write(`${lines.join('\n')}\n`)
    return await this.#await(signal, () => {
      const complete = this.#answers.split('\n').slice(0, -1)
      const answers = complete.filter((line) => line.startsWith('{"nftables"'))
      if (count !== undefined) return answers.length < count ? undefined : answers
      const last = answers.at(-1)
      return last === undefined || last.includes('{"table": ') ? undefined : answers.slice(0, -1)
    })
  }

  /** One question at a time: the look for drift may come in the middle of a commit. */
  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => undefined)
    return await turn
  }

  retire(): void {
    void this.#turn.then(() => this.close())
  }

  close(): void {
    this.#lines = LIFE_LINES
    this.#child.stdin.end()
    this.#child.kill('SIGTERM')
  }

  async #await<Value>(signal: AbortSignal, answer: () => Value | undefined): Promise<Value> {
    try {
      return await withDeadline(
        'nft -i',
        ANSWER_DEADLINE_MS,
        () =>
          new Promise<Value>((resolve, reject) => {
            this.#onNews = () => {
              const found = answer()
              if (found !== undefined) {
                this.#answered = true
                resolve(found)
              } else if (this.#ended) reject(endedEarly())
            }
            this.#onNews()
          }),
        signal,
      )
    } catch (thrown) {
      this.close()
      throw thrown
    } finally {
      this.#onNews = () => undefined
    }
  }
}

/** How a table's listing, and its place in the list of tables, begin. */
function tableStart(table: TableFamily): string {
  return `{"table": {"family": "${table}", "name": "${TABLE_NAME}"`
}

function endedEarly(): PurlinError {
  return new PurlinError('PUR_EXEC_FAILED', {
    message: `${NFT_PROGRAM} -j -i: ended before it had answered`,
    context: { program: NFT_PROGRAM },
  })
}
