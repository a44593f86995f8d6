import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'

/** Where devices are served, each in a folder of its name, and where pools are. */
const SERVED = '/run/purlin-cache'
const POOLS = '/run/purlin-blockd'
/** Where the locks of served devices lie. */
export const LOCKS = '/var/lib/purlin-cache'

export interface PlaceFlags {
  readonly sockets?: string
}

/** Adds the option that names a daemon’s folder of sockets. */
export function withPlace(command: Command): Command {
  return command.option(
    '--sockets <folder>',
    `the daemon’s folder of sockets; ${SERVED}/NAME, or ${POOLS} for a pool`,
  )
}

/** The folder of sockets of a device that is to be served. Pure. */
export function servedFolder(name: string): string {
  return join(SERVED, name)
}

/** The folder of sockets of a cached device or of a pool. */
export function socketsOf(name: string, { sockets }: PlaceFlags): string {
  if (sockets !== undefined) return sockets
  const served = servedFolder(name)
  return existsSync(served) ? served : POOLS
}
