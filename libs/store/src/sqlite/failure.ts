import { PurlinError } from '@purlin/base'

/** Result codes of SQLite (https://www.sqlite.org/rescode.html), the primary ones. */
const BUSY = 5
const CORRUPT = 11
const FULL = 13
const CANNOT_OPEN = 14
const NOT_A_DATABASE = 26

/** The typed error of a failure of SQLite or of the file system under it. */
export function storeFailure(doing: string, file: string, thrown: unknown): PurlinError {
  if (thrown instanceof PurlinError) return thrown
  const primary = errorNumber(thrown) & 0xff
  const found = thrown instanceof Error ? thrown.message : String(thrown)
  const context = { file }
  if (primary === FULL || systemCode(thrown) === 'ENOSPC') {
    return new PurlinError('PUR_STORE_FULL', {
      message: `${doing} ${file}: the disk is full; nothing was changed. Free space there and try again`,
      context,
      cause: thrown,
    })
  }
  if (primary === BUSY) {
    return new PurlinError('PUR_AGENT_BUSY', {
      message: `${doing} ${file}: another process has it open; one agent owns a state folder`,
      context,
      cause: thrown,
    })
  }
  if (primary === NOT_A_DATABASE || primary === CORRUPT || primary === CANNOT_OPEN) {
    return unreadable(doing, file, found, thrown)
  }
  return new PurlinError('PUR_STORE_FAILED', {
    message: `${doing} ${file}: ${found}`,
    context,
    cause: thrown,
  })
}

/** The error for a file that is not a store of ours. */
export function unreadable(
  doing: string,
  file: string,
  found: string,
  cause?: unknown,
): PurlinError {
  return new PurlinError('PUR_STORE_UNREADABLE', {
    message: `${doing} ${file}: ${found}; name a state file of Purlin, or bring one back from a backup`,
    context: { file },
    cause,
  })
}

function errorNumber(thrown: unknown): number {
  const found = thrown instanceof Error && 'errcode' in thrown ? thrown.errcode : undefined
  return typeof found === 'number' ? found : 0
}

function systemCode(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
}
