import { createReadStream } from 'node:fs'
import { access, open, rename, rm } from 'node:fs/promises'
import { PurlinError } from '@purlin/base'
import { operations } from '@purlin/schema'
import type { CallOptions, MutationOptions } from './connect/call.ts'
import { mutationHeaders } from './connect/idempotency.ts'
import { callOf, sendForTask } from './connect/operation.ts'
import type { Transport } from './connect/transport.ts'
import type { TaskHandle } from './tasks/task-handle.ts'

const STATE_DEADLINE_MS = 600_000

/** Writes a consistent copy of the agent's state to `file`, which appears whole or not at all. It
 *  is readable by its owner alone (0600): a backup carries the hashes of tokens. Errors: as every
 *  call; PUR_INVALID where the file cannot be written. */
export async function backupState(
  transport: Transport,
  file: string,
  options: CallOptions = {},
): Promise<void> {
  const call = callOf(transport, 'backupState', {
    options: { deadlineMs: STATE_DEADLINE_MS, ...options },
  })
  const partial = `${file}.partial`
  try {
    await transport.consume(call, async (body) => {
      const target = await open(partial, 'w', 0o600).catch(unusable(file))
      try {
        await target.writeFile(body)
        await target.sync()
      } finally {
        await target.close()
      }
    })
    await rename(partial, file)
  } finally {
    await rm(partial, { force: true })
  }
}

/** Sends the backup in `file` to the agent, which brings its resources back, all or nothing.
 *  Errors: as every call; PUR_INVALID where the file cannot be read; PUR_STORE_UNREADABLE where
 *  it is no backup; PUR_STORE_NEWER. */
export async function restoreState(
  transport: Transport,
  file: string,
  options: MutationOptions = {},
): Promise<TaskHandle> {
  await access(file).catch(unusable(file))
  const { method, path, bodyType } = operations.restoreState
  return await sendForTask(transport, {
    method,
    path,
    headers: mutationHeaders(transport, options),
    body: () => createReadStream(file),
    bodyType,
    options: { deadlineMs: STATE_DEADLINE_MS, ...options },
  })
}

function unusable(file: string): (thrown: unknown) => never {
  return (thrown) => {
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw new PurlinError('PUR_INVALID', { message: `${file}: ${found}`, cause: thrown })
  }
}
