import { PurlinError, type Run, toPurlinError } from '@purlin/base'
import type { NetfilterObserved, ObservedTable } from '../observe/observed.ts'
import { readTable } from '../observe/read.ts'
import { NFT_PROGRAM, TABLE_NAME, type TableFamily } from '../target/names.ts'
import { type NftSession, type OpenNftSession, SESSION_TEXT_LIMIT } from './session.ts'

const LIST_DEADLINE_MS = 10_000
const LOAD_DEADLINE_MS = 20_000

/** The nft program, in the two ways it is used: one that stays for small transactions and their
 *  reading back, and one started for each large transaction and each first look. */
export class Nft {
  readonly #run: Run
  readonly #openSession: OpenNftSession
  #session: NftSession | undefined

  constructor(run: Run, openSession: OpenNftSession) {
    this.#run = run
    this.#openSession = openSession
  }

  /** Loads lines as one transaction: all of them take effect at once, or none.
   *  Errors: PUR_NFT_REFUSED with the program's own words, PUR_EXEC_*, PUR_DEADLINE_PASSED, PUR_CANCELLED. */
  async load(what: string, lines: readonly string[], signal: AbortSignal): Promise<void> {
    const input = `${lines.join('\n')}\n`
    const complaint =
      input.length <= SESSION_TEXT_LIMIT
        ? await this.#currentSession().load(lines, signal)
        : await this.#loadAlone(input, signal)
    if (complaint === '') return
    throw new PurlinError('PUR_NFT_REFUSED', {
      message: `${what}: the kernel refused ${lines.length} lines: ${complaint.slice(0, 600)}`,
    })
  }

  /** Lists tables after a load, when both exist. Errors: as `look`. */
  async readBack(
    tables: readonly TableFamily[],
    signal: AbortSignal,
  ): Promise<Partial<NetfilterObserved['tables']>> {
    const listings = await this.#currentSession().list(tables, signal)
    return Object.fromEntries(
      tables.map((table, at) => [table, ownTable(table, listings[at] ?? '')]),
    )
  }

  /** Lists our two tables, and no other. They are two calls side by side: of two tables with one name
   *  in one call nft 1.0.6 finds only the last.
   *  Errors: PUR_NFT_UNREADABLE, PUR_NFT_REFUSED (a table of our name that is not ours), PUR_EXEC_*. */
  async look(signal: AbortSignal): Promise<NetfilterObserved['tables']> {
    const [bridge, inet] = await Promise.all([
      this.#lookAt('bridge', signal),
      this.#lookAt('inet', signal),
    ])
    return { bridge, inet }
  }

  close(): void {
    this.#session?.close()
    this.#session = undefined
  }

  #currentSession(): NftSession {
    if (this.#session?.spent === true) this.close()
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

  async #lookAt(table: TableFamily, signal: AbortSignal): Promise<ObservedTable | undefined> {
    const { stdout, stderr, exitCode } = await this.#run(
      NFT_PROGRAM,
      ['-j', 'list', 'table', table, TABLE_NAME],
      { timeoutMs: LIST_DEADLINE_MS, signal, acceptedExitCodes: [1] },
    )
    // Of a missing table nft 1.0.6 says nothing at all in JSON, and its sentence only at times.
    if (exitCode === 0 && stdout.trim() === '') return undefined
    if (exitCode === 0) return ownTable(table, stdout)
    if (stderr.includes('No such file or directory')) return undefined
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
