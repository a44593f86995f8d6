import { resolve } from 'node:path'
import type { Command } from 'commander'
import { forgetLock, keepLock } from '../cache-origin-lock.ts'
import { LOCKS, type PlaceFlags, socketsOf, withPlace } from '../cache-place.ts'
import type { Cli } from '../cli.ts'
import { CommandFailure } from '../exit-codes.ts'
import { positiveNumber } from '../options.ts'
import { ByteProgress } from '../output/byte-progress.ts'
import { layersText } from '../views/cache-layers.ts'
import { admitWriteback } from './cache-serve.ts'

type CacheLayer = import('@purlin/cache-native').CacheLayer
type CacheMode = import('@purlin/cache-native').CacheMode
type CacheStatus = import('@purlin/cache-native').CacheCalls['cache-status']['answer']
type ChangeCall =
  | 'cache-mode'
  | 'cache-flush'
  | 'cache-attach'
  | 'cache-detach'
  | 'cache-device-add'
  | 'cache-device-remove'
  | 'cache-accept-loss'

const SOON_MS = 30_000
/** A drain of a whole SSD to a slow disk. */
const DRAINED_MS = 86_400_000
const LOOK_MS = 500
const MIB = 2 ** 20

interface AttachFlags extends PlaceFlags {
  readonly device?: string
  readonly sizeMib?: number
  readonly overwrite?: true
  readonly force?: true
}

interface ModeFlags extends PlaceFlags {
  readonly force?: true
  readonly alone?: true
}

/** The verbs of `purlin cache` that speak with a daemon. A name is that of a pool, or of a device
 *  that `cache serve` exports. */
export function addCacheLive(group: Command, cli: Cli): void {
  withPlace(
    group
      .command('status')
      .description('how the caches of a pool or of a served device are')
      .argument('<name>'),
  ).action(async (name: string, flags: PlaceFlags) => {
    const answer = await statusOf(cli, name, flags)
    cli.print(answer, () => layersText(answer.layers, cli.colours, answer.uncachedDisks))
  })
  withPlace(
    group
      .command('mode')
      .description('another mode, while requests go on; ends when all that must is on the disks')
      .argument('<name>')
      .addArgument(modeArgument(group)),
  )
    .option('--force', 'writeback on devices that have not passed cache flush-test')
    .option('--alone', 'writeback without an agent that keeps a lock in the state store')
    .action(async (name: string, word: string, flags: ModeFlags) => {
      const mode: CacheMode = word === 'pass' ? 'pass-through' : (word as CacheMode)
      if (mode === 'writeback') {
        const layers = await layersOf(cli, name, flags)
        const devices = [...new Set(layers.flatMap((layer) => layer.devices))]
        await admitWriteback(cli, devices, flags)
        const [origin] = layers.map((layer) => layer.origin)
        const served = await isServed(cli, name, flags)
        const { alone } = flags
        if (served && origin !== undefined) await keepLock(cli, { name, origin, devices, alone })
      }
      await change(cli, name, 'cache-mode', { pool: name, mode }, flags)
    })
  for (const [verb, call, description] of [
    ['flush', 'cache-flush', 'make all that was written durable; in writeback on the SSDs'],
    ['accept-loss', 'cache-accept-loss', 'give up what was lost: it is what the disks have'],
  ] as const) {
    withPlace(group.command(verb).description(description).argument('<name>')).action(
      (name: string, flags: PlaceFlags) => change(cli, name, call, { pool: name }, flags),
    )
  }
  addExchange(group, cli)
}

function addExchange(group: Command, cli: Cli): void {
  withPlace(
    group
      .command('attach')
      .description('take the SSDs again, empty; or fill a further one in use')
      .argument('<name>')
      .option('--device <path>', 'the further SSD; what is dirty is mirrored on it too'),
  )
    .option('--size-mib <mib>', 'how large its file is made that is not there', positiveNumber)
    .option('--overwrite', 'write over what is on it')
    .option('--force', 'in writeback, though it has not passed cache flush-test')
    .action(async (name: string, flags: AttachFlags) => {
      const { device, sizeMib, overwrite = false } = flags
      if (device === undefined)
        return await change(cli, name, 'cache-attach', { pool: name }, flags)
      const path = resolve(device)
      const layers = await layersOf(cli, name, flags)
      if (layers.some((layer) => layer.mode === 'writeback') && flags.force !== true) {
        const { refuseUnproven } = await import('@purlin/cache-native')
        await refuseUnproven([path], LOCKS)
      }
      const size = sizeMib === undefined ? {} : { sizeBytes: Math.round(sizeMib) * MIB }
      const words = { pool: name, device: path, overwrite, ...size }
      await change(cli, name, 'cache-device-add', words, flags)
    })
  withPlace(
    group
      .command('detach')
      .description('bring all that is dirty home and let go of the SSDs, or of one of two')
      .argument('<name>')
      .option('--device <path>', 'the one of two'),
  ).action(async (name: string, flags: PlaceFlags & { readonly device?: string }) => {
    const { device } = flags
    if (device === undefined) return await change(cli, name, 'cache-detach', { pool: name }, flags)
    const words = { pool: name, device: resolve(device) }
    const known = (await layersOf(cli, name, flags)).flatMap((layer) => layer.devices)
    if (!known.includes(words.device)) {
      const listed = [...new Set(known)].join(', ')
      throw new CommandFailure(`${name} has no SSD ${words.device}; it has ${listed || 'none'}`)
    }
    await change(cli, name, 'cache-device-remove', words, flags)
  })
}

function modeArgument(group: Command) {
  return group
    .createArgument('<mode>', 'writethrough, writeback or pass')
    .choices(['writethrough', 'writeback', 'pass'])
}

async function statusOf(cli: Cli, name: string, flags: PlaceFlags): Promise<CacheStatus> {
  const { callCache } = await import('@purlin/cache-native')
  const options = { deadlineMs: SOON_MS, signal: cli.streams.signal }
  return await callCache(socketsOf(name, flags), 'cache-status', { pool: name }, options)
}

async function layersOf(cli: Cli, name: string, flags: PlaceFlags): Promise<readonly CacheLayer[]> {
  return (await statusOf(cli, name, flags)).layers
}

/** Makes a change and shows how much of the dirty data is home while it goes on. */
async function change(
  cli: Cli,
  name: string,
  call: ChangeCall,
  words: { readonly pool: string; readonly mode?: CacheMode; readonly device?: string },
  flags: PlaceFlags,
): Promise<void> {
  const { callCache } = await import('@purlin/cache-native')
  const { signal, clock, stderr } = cli.streams
  const progress = new ByteProgress(stderr, 'brought home')
  const filled = new ByteProgress(stderr, 'filled')
  const over = new AbortController()
  const dirty = async () => dirtyBytes(await layersOf(cli, name, flags))
  const totalBytes = await dirty()
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await clock.sleep(LOOK_MS, over.signal).catch(() => undefined)
      if (over.signal.aborted) return
      if (call === 'cache-device-add') showFilled(filled, await layersOf(cli, name, flags))
      else progress.show(Math.max(0, totalBytes - (await dirty())), totalBytes)
    }
  }
  const drains = totalBytes > 0 && call !== 'cache-flush' && call !== 'cache-device-remove'
  const watching = drains || call === 'cache-device-add' ? watch() : Promise.resolve()
  try {
    const options = { deadlineMs: DRAINED_MS, signal }
    await callCache(socketsOf(name, flags), call, words as never, options)
  } finally {
    over.abort()
    await watching.catch(() => undefined)
    progress.clear()
    filled.clear()
  }
  const layers = await layersOf(cli, name, flags)
  const home = layers.every((layer) => layer.mode !== 'writeback' && layer.dirtyBytes === 0)
  const leaves = call === 'cache-mode' || call === 'cache-detach'
  if (leaves && home && (await isServed(cli, name, flags))) await forgetLock(cli, name)
  cli.print({ layers }, () => layersText(layers, cli.colours))
}

/** Whether the name is a device that a daemon of its own serves: its disk was not formatted by us,
 *  so its lock is the state store’s too. */
async function isServed(cli: Cli, name: string, flags: PlaceFlags): Promise<boolean> {
  const { callCache } = await import('@purlin/cache-native')
  const options = { deadlineMs: SOON_MS, signal: cli.streams.signal }
  const { cached } = await callCache(socketsOf(name, flags), 'status', {}, options)
  return cached === name
}

function showFilled(progress: ByteProgress, layers: readonly CacheLayer[]): void {
  const filling = layers.filter((layer) => typeof layer.adoptedBytes === 'number')
  const sum = (of: (layer: CacheLayer) => number): number =>
    filling.reduce((total, layer) => total + of(layer), 0)
  if (filling.length > 0) {
    progress.show(
      sum((layer) => layer.adoptedBytes ?? 0),
      sum((layer) => layer.sizeBytes),
    )
  }
}

function dirtyBytes(layers: readonly CacheLayer[]): number {
  return layers.reduce((sum, layer) => sum + layer.dirtyBytes, 0)
}
