import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  forgetLock,
  isDirty,
  keepLock,
  type OriginLock,
  refuseOthers,
  wholePath,
} from '../cache-origin-lock.ts'
import { LOCKS, servedFolder } from '../cache-place.ts'
import type { Cli } from '../cli.ts'
import { CommandFailure } from '../exit-codes.ts'
import { positiveNumber } from '../options.ts'

interface ServeFlags {
  readonly origin: string
  readonly cache: string
  readonly mode?: 'writethrough' | 'writeback' | 'pass'
  readonly name: string
  readonly sizeMib?: number
  readonly dirtyPercent?: number
  readonly ordered?: boolean
  readonly sockets?: string
  readonly locks: string
  readonly overwrite?: true
  readonly force?: true
  readonly alone?: true
}

/** `purlin cache serve`: any slow device with SSDs before it, over NBD, without an agent. */
export function addCacheServe(group: Command, cli: Cli): void {
  group
    .command('serve')
    .description('export a slow device, with SSDs before it, over NBD; runs until it is ended')
    .requiredOption('--origin <device>', 'a file, a device, or an NBD address')
    .requiredOption('--cache <devices>', 'a file or a device; two with a comma mirror dirty blocks')
    .addOption(
      new Option('--mode <mode>', 'what is done with writes; as it was when left out').choices([
        'writethrough',
        'writeback',
        'pass',
      ]),
    )
    .option('--name <name>', 'the name of the export and of the lock', 'cached')
    .option(
      '--size-mib <mib>',
      'how large a cache’s file is made that is not there',
      wholeAboveZero,
    )
    .option('--dirty-percent <percent>', 'how much may be dirty in writeback; 70', positiveNumber)
    .option('--ordered', 'writeback in the order of the flushes: without its SSD stale, but whole')
    .option('--sockets <folder>', 'the folder of sockets; /run/purlin-cache/NAME')
    .option('--locks <folder>', 'what has to survive the SSDs is kept here', LOCKS)
    .option('--overwrite', 'write over what is on the cache’s devices')
    .option('--force', 'writeback on devices that have not passed cache flush-test')
    .option('--alone', 'writeback without an agent that keeps a lock in the state store')
    .action((flags: ServeFlags) => serve(cli, flags))
}

async function serve(cli: Cli, flags: ServeFlags): Promise<void> {
  const devices = flags.cache.split(',')
  if (flags.mode === 'writeback') await admitWriteback(cli, devices, flags)
  const { name, origin, alone, locks } = flags
  const lock = { name, origin, devices, alone }
  // Left in writeback, the device still lacks what the SSDs have.
  const left = flags.mode === undefined && (await isDirty(locks, name))
  if (flags.mode === 'writeback' || left) await keepLock(cli, lock)
  else await refuseOthers(cli, lock)
  try {
    await serveUntilEnded(cli, flags, lock)
  } finally {
    if (!(await isDirty(locks, name))) await forgetLock(cli, name)
  }
}

async function serveUntilEnded(
  cli: Cli,
  flags: ServeFlags,
  { origin, devices }: OriginLock,
): Promise<void> {
  const { serveCache } = await import('@purlin/cache-native')
  const { mode, sizeMib, dirtyPercent, ordered, overwrite } = flags
  const served = await serveCache(
    {
      origin: wholePath(origin),
      devices,
      name: flags.name,
      sockets: flags.sockets ?? servedFolder(flags.name),
      locks: flags.locks,
      ...(mode !== undefined && { mode: mode === 'pass' ? 'pass-through' : mode }),
      ...(sizeMib !== undefined && { sizeMib }),
      ...(dirtyPercent !== undefined && { dirtyPercent }),
      ...(ordered !== undefined && { ordered }),
      ...(overwrite !== undefined && { overwrite }),
    },
    cli.streams.clock,
  )
  const { uri, process } = served
  cli.print({ uri, process }, () => `${origin} is served at ${uri} by process ${process}\n`)
  cli.streams.signal.addEventListener('abort', () => served.stop(), { once: true })
  if (cli.streams.signal.aborted) served.stop()
  const code = await served.ended
  if (code !== 0) throw new CommandFailure(`the daemon of ${flags.name} ended with ${code}`)
}

function wholeAboveZero(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be a whole number above 0.')
}

/** Says what writeback risks, and refuses it on SSDs of which nobody knows that they keep what they
 *  have flushed. Errors: PUR_CACHE_UNPROVEN. */
export async function admitWriteback(
  cli: Cli,
  devices: readonly string[],
  { locks = LOCKS, force }: { readonly locks?: string; readonly force?: true },
): Promise<void> {
  const { refuseUnproven } = await import('@purlin/cache-native')
  if (force !== true) await refuseUnproven(devices, locks)
  cli.say('writeback: the device alone lacks what is dirty; use it by its cache only.')
  if (devices.length === 1) {
    cli.say('writeback with one SSD: if it dies, what is dirty is lost; two SSDs mirror it.')
  }
}
