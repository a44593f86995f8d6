import { errorCatalogue, type PurlinError } from '@purlin/base'

/** What the command ends with. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** `plan` found a difference. */
  differs: 3,
  /** The agent or the command refused; nothing was changed. */
  refused: 4,
  /** Ended by Ctrl-C; 128 and the number of SIGINT, as shells have it. */
  interrupted: 130,
} as const

/** A failure of the command line itself, with its own exit code. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message)
    this.exitCode = exitCode
  }
}

/** The exit code of an error: refused only where nothing was changed, so the failure of a task
 *  that was begun is `failed` whatever its code. Pure. */
export function exitCodeOf(error: PurlinError): number {
  if (error.context.task !== undefined) return exitCodes.failed
  switch (errorCatalogue[error.code].kind) {
    case 'invalid':
    case 'state':
    case 'revision':
    case 'capacity':
    case 'unauthenticated':
    case 'forbidden':
      return exitCodes.refused
    default:
      return exitCodes.failed
  }
}
