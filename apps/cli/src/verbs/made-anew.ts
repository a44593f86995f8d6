import { PurlinError } from '@purlin/base'
import type { RevisionOptions, TaskHandle } from '@purlin/sdk'
import type { Cli, WaitOptions } from '../cli.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { printTask } from './apply.ts'

/** Makes a resource that is not there yet, and waits for it; `what` is its kind and name. Errors:
 *  CommandFailure where it is there. */
export async function makeAnew(
  cli: Cli,
  what: string,
  put: (options: RevisionOptions) => Promise<TaskHandle>,
  options: WaitOptions,
): Promise<void> {
  try {
    // Revision 0: of what is not there yet.
    const handle = await put({ ifRevision: 0 })
    printTask(cli, await cli.finish(handle, options))
  } catch (thrown) {
    const taken = thrown instanceof PurlinError && thrown.code === 'PUR_RESOURCE_REVISION'
    if (!taken) throw thrown
    const message = `there is a ${what} already; purlin apply changes it`
    throw new CommandFailure(message, exitCodes.refused)
  }
}
