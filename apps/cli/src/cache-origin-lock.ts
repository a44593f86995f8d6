import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { PurlinError, toPurlinError } from '@purlin/base'
import type { Cli } from './cli.ts'

/** A served device, and whether its lock may be kept without an agent. */
export interface OriginLock {
  readonly name: string
  /** A path, or an NBD address. */
  readonly origin: string
  readonly devices: readonly string[]
  readonly alone?: true | undefined
}

/** A path from the root; an NBD address as it is. Pure but for the working folder. */
export function wholePath(origin: string): string {
  return origin.includes('://') ? origin : resolve(origin)
}

/** Keeps the lock of a device in the state store before it is used in writeback, and says the
 *  risk. Errors: PUR_CACHE_LOCKED when another cache has the device, PUR_CACHE_UNLOCKED without an
 *  agent. */
export async function keepLock(cli: Cli, { alone, ...lock }: OriginLock): Promise<void> {
  try {
    const kept = await cli.client.cacheLocks.lock(requestOf(lock, true))
    if (kept !== undefined) cli.say(`lock kept of ${kept.origin}: ${kept.risk}`)
  } catch (thrown) {
    const error = absentOnly(thrown)
    if (alone !== true) {
      throw new PurlinError('PUR_CACHE_UNLOCKED', {
        message: `${lock.origin}: no agent keeps the lock that writeback needs, so that nobody would be kept from using the device without its cache: ${error.message}; start the agent, or use --alone, by which this host’s lock file is all there is`,
        cause: error,
      })
    }
    cli.say(`no agent: only the lock file here says that ${lock.origin} lacks what its cache has`)
  }
}

/** Refuses a device that another cache of the fleet has, as far as an agent is there to ask.
 *  Errors: PUR_CACHE_LOCKED. */
export async function refuseOthers(cli: Cli, { alone: _, ...lock }: OriginLock): Promise<void> {
  await cli.client.cacheLocks.lock(requestOf(lock, false)).catch(absentOnly)
}

/** Forgets the lock of a device that has all that was written. */
export async function forgetLock(cli: Cli, name: string): Promise<void> {
  const failed = await cli.client.cacheLocks.release(name).then(() => undefined, absentOnly)
  if (failed === undefined) return
  cli.say(`if an agent has a lock of ${name}, it stays until the next time: ${failed.message}`)
}

/** Whether the lock file says that the device lacks something; a file that cannot be read does. */
export async function isDirty(locks: string, name: string): Promise<boolean> {
  const text = await readFile(join(locks, `${name}.json`), 'utf8').catch(() => undefined)
  if (text === undefined) return false
  try {
    return (JSON.parse(text) as { readonly dirty?: unknown }).dirty !== false
  } catch {
    return true
  }
}

function requestOf({ name, origin, devices }: OriginLock, writeback: boolean) {
  const whole = { origin: wholePath(origin), devices: devices.map((path) => resolve(path)) }
  return { name, ...whole, writeback }
}

function absentOnly(thrown: unknown): PurlinError {
  const error = toPurlinError(thrown)
  if (error.code !== 'PUR_AGENT_UNREACHABLE') throw error
  return error
}
