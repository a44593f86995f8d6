import { PurlinError, type Run, toPurlinError } from '@purlin/base'
import type { NetfilterObserved, ObservedTable } from '../observe/observed.ts'
import { readTable } from '../observe/read.ts'
import { NFT_PROGRAM, TABLE_NAME, type TableFamily } from '../target/names.ts'
import { type NftSession, type OpenNftSession, SESSION_TEXT_LIMIT } from './session.ts'

const LIST_DEADLINE_MS = 10_000
const LOAD_DEADLINE_MS = 20_000

/** The nft program, in the two ways it is used: one that stays for listings and small
 *  transactions, and one started for each large transaction, or for everything where the first
 *  cannot be had (a program built without its interactive mode). */
export class Nft {
  readonly #run: Run
  readonly #openSession: OpenNftSession
  #session: NftSession | undefined
  #sessionsWork = true

  constructor(run: Run, openSession: OpenNftSession) {
    this.#run = run
    this.#openSession = openSession
  }

  /** Loads lines as one transaction: all of them take effect at once, or none.
   *  Errors: PUR_NFT_REFUSED with the program's own words, PUR_EXEC_*, PUR_DEADLINE_PASSED,
   *  PUR_CANCELLED. */
  async load(what: string, lines: readonly string[], signal: AbortSignal): Promise<void> {
    const input = `${lines.join('\n')}\n`
    const complaint =
      this.#sessionsWork && input.length <= SESSION_TEXT_LIMIT
        ? await this.#currentSession().load(lines, signal)
        : await this.#loadAlone(input, signal)
    if (complaint === '') return
    throw new PurlinError('PUR_NFT_REFUSED', {
      message: `${what}: the kernel refused ${lines.length} lines: ${complaint.slice(0, 600)}`,
    })
  }

  /** Lists our tables (or some of them), and no other.
   *  Errors: PUR_NFT_UNREADABLE, PUR_NFT_REFUSED (a table of our name that is not ours),
   *  PUR_EXEC_*. */
  async list(
    tables: readonly TableFamily[],
    signal: AbortSignal,
  ): Promise<Partial<NetfilterObserved['tables']>> {
    const listings = await this.#listings(tables, signal)
    const found = [...listings].map(([table, listing]) => [table, ownTable(table, listing)])
    return Object.fromEntries(found)
  }

  close(): void {
    this.#session?.close()
    this.#session = undefined
  }

  #currentSession(): NftSession {
    if (this.#session?.spent === true) {
      this.#session.retire()
      this.#session = undefined
    }
    this.#session ??= this.#openSession()
    return this.#session
  }

  async #loadAlone(input: string, signal: AbortSignal): Promise<string> {
    try {
      await this.#run(NFT_PROGRAM, ['-f', '-'], { input, timeoutMs: LOAD_DEADLINE_MS, signal })
      return ''
    } catch (thrown) {
      const error = toPurlinError(thrown)
      if (error.code !== 'PUR_EXEC_FAILED') throw error
      return error.message
    }
  }

  async #listings(
    tables: readonly TableFamily[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<TableFamily, string>> {
    if (this.#sessionsWork) {
      const session = this.#currentSession()
      try {
        return await session.list(tables, signal)
      } catch (thrown) {
        if (toPurlinError(thrown).code !== 'PUR_EXEC_FAILED') throw thrown
        // Ended before its first answer is no accident; ended later, a new one takes its place.
        this.#sessionsWork = session.answered
      }
    }
    const found = await Promise.all(
      tables.map(async (table) => [table, await this.#listAlone(table, signal)] as const),
    )
    return new Map(found.flatMap(([table, text]) => (text === '' ? [] : [[table, text]])))
  }

  /** The listing, empty where there is no such table. */
  async #listAlone(table: TableFamily, signal: AbortSignal): Promise<string> {
    const { stdout, stderr, exitCode } = await this.#run(
      NFT_PROGRAM,
      ['-j', 'list', 'table', table, TABLE_NAME],
      { timeoutMs: LIST_DEADLINE_MS, signal, acceptedExitCodes: [1] },
    )
    // Of a missing table nft 1.0.6 says nothing at all in JSON, and its sentence only at times.
    if (exitCode === 0) return stdout.trim()
    if (stderr.includes('No such file or directory')) return ''
    throw new PurlinError('PUR_NFT_UNREADABLE', {
      message: `nft -j list table ${table} ${TABLE_NAME}: ${stderr.trim().slice(0, 300)}`,
    })
  }
}

function ownTable(table: TableFamily, listing: string): ObservedTable {
  const found = readTable(table, listing)
  if (found.owned) return found
  throw new PurlinError('PUR_NFT_REFUSED', {
    message: `table ${table} ${TABLE_NAME} exists and does not carry Purlin's mark, so it is not touched; rename or delete it (nft delete table ${table} ${TABLE_NAME}) if nobody needs it`,
    context: { table: `${table} ${TABLE_NAME}` },
  })
}
