import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { PurlinError, withDeadline } from '@purlin/base'
import { NFT_PROGRAM, TABLE_NAME, type TableFamily } from '../target/names.ts'

/** One nft program that stays and takes transactions line by line. Between two commits nothing is
 *  started, and the end of a program that deleted something, which waits for the kernel to free it,
 *  is not waited for: about 5 ms a commit against 50. */
export interface NftSession {
  /** Loads the lines as one transaction. Answers the program's complaint, empty where it had none. */
  load(lines: readonly string[], signal: AbortSignal): Promise<string>
  /** Lists tables that exist, as `nft -j list table` would. */
  list(tables: readonly TableFamily[], signal: AbortSignal): Promise<readonly string[]>
  close(): void
  /** Whether it has ended, or has done enough to be replaced. */
  readonly spent: boolean
}

export type OpenNftSession = () => NftSession

/** Longer transactions go to a program of their own. */
export const SESSION_TEXT_LIMIT = 32_768
/** The program remembers every line it was given, so it does not live for ever. */
const LIFE_LINES = 500
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
  #lines = 0
  #complaints = ''
  #answers = ''
  #onNews: () => void = () => undefined

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

  /** The program says nothing when a transaction is done. A word that it does not know, in a line of
   *  its own, makes it complain; whatever it had to say about the transaction comes before that. */
  async load(lines: readonly string[], signal: AbortSignal): Promise<string> {
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

  async list(tables: readonly TableFamily[], signal: AbortSignal): Promise<readonly string[]> {
    this.#answers = ''
    this.#lines += tables.length
    for (const table of tables) this.#child.stdin.write(`list table ${table} ${TABLE_NAME}\n`)
    return await this.#await(signal, () => {
      const complete = this.#answers.split('\n').slice(0, -1)
      const listings = complete.filter((line) => line.startsWith('{"nftables"'))
      return listings.length < tables.length ? undefined : listings
    })
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
              if (found !== undefined) resolve(found)
              else if (this.#ended) reject(endedEarly())
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

function endedEarly(): PurlinError {
  return new PurlinError('PUR_EXEC_FAILED', {
    message: `${NFT_PROGRAM} -j -i: ended before it had answered`,
    context: { program: NFT_PROGRAM },
  })
}
