import { chmod, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PurlinError } from '@purlin/base'

/** The paths of a private host, all below one folder that is removed with it. */
export interface HostPaths {
  readonly folder: string
  readonly log: string
  readonly ready: string
  /** What is bound over libvirt's own folders. */
  readonly libvirt: {
    readonly etc: string
    readonly lib: string
    readonly cache: string
    readonly log: string
    readonly sockets: string
  }
  readonly switch: string
  readonly agent: string
  /** What the agent's network services read; they run as a user of their own. */
  readonly network: string
}

/** Where state folders lie: short, since a unix socket's path has at most 107 bytes, and outside of
 *  /run, which a host has of its own. Tests name a prefix of their own, so that they see what they
 *  leave and not what other sandboxes of the machine have. */
export const STATE_FOLDER_PREFIX = process.env.PURLIN_STATE_PREFIX ?? '/tmp/purlin-host-'

/** The paths below `folder`. */
export function hostPaths(folder: string): HostPaths {
  const libvirt = join(folder, 'libvirt')
  return {
    folder,
    log: join(folder, 'log'),
    ready: join(folder, 'ready'),
    libvirt: {
      etc: join(libvirt, 'etc'),
      lib: join(libvirt, 'lib'),
      cache: join(libvirt, 'cache'),
      log: join(libvirt, 'log'),
      sockets: join(libvirt, 'sockets'),
    },
    switch: join(folder, 'ovs'),
    agent: join(folder, 'agent'),
    network: join(folder, 'agent', 'network'),
  }
}

/** Makes a new state folder. Its parts are open to their owner alone; only the way to the network
 *  services' files can be walked by all, since dnsmasq gives its rights up. Errors: PUR_HOST_UNFIT
 *  when the disk is full. */
export async function makeStateFolder(): Promise<HostPaths> {
  await assertSpace()
  try {
    const paths = hostPaths(await mkdtemp(STATE_FOLDER_PREFIX))
    const { etc, lib, cache, log, sockets } = paths.libvirt
    const own = [paths.log, paths.switch, etc, lib, cache, log, sockets]
    for (const folder of own) await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const folder of [paths.agent, paths.network]) await mkdir(folder, { mode: 0o711 })
    await chmod(paths.folder, 0o711)
    return paths
  } catch (cause) {
    throw diskError(cause)
  }
}

/** Takes a state folder away. A path that was not made by makeStateFolder is left alone. */
export async function removeStateFolder(folder: string): Promise<void> {
  if (!folder.startsWith(STATE_FOLDER_PREFIX)) return
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

/** What logs, switch database and agent state take at most in a sandbox of some hours. */
const SPACE_NEEDED_BYTES = 64 * 1024 * 1024

/** Daemons on a full disk fail late and say little, so the space is looked at first. */
async function assertSpace(): Promise<void> {
  const parent = dirname(STATE_FOLDER_PREFIX)
  const { bavail, bsize } = await statfs(parent)
  if (bavail * bsize >= SPACE_NEEDED_BYTES) return
  const found = Math.floor((bavail * bsize) / 1024 / 1024)
  throw new PurlinError('PUR_HOST_UNFIT', {
    message: `${parent} has ${found} MiB of free space, and a sandbox needs ${SPACE_NEEDED_BYTES / 1024 / 1024} MiB: free some and call again`,
  })
}

/** A full disk as a sentence; anything else as it is. */
export function diskError(cause: unknown): unknown {
  const full =
    cause instanceof Error &&
    ('code' in cause ? cause.code === 'ENOSPC' || cause.code === 'EDQUOT' : false)
  if (!full) return cause
  return new PurlinError('PUR_HOST_UNFIT', {
    message: `no space is left for the sandbox’s files (${cause.message}); free some and call again`,
    cause,
  })
}
