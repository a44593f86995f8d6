import type { Command } from 'commander'
import { type PlaceFlags, socketsOf, withPlace } from '../cache-place.ts'
import type { Cli } from '../cli.ts'
import { ByteProgress } from '../output/byte-progress.ts'
import { layersText } from '../views/cache-layers.ts'
import { admitWriteback } from './cache-serve.ts'

type CacheLayer = import('@purlin/cache-native').CacheLayer
type CacheMode = import('@purlin/cache-native').CacheMode
type ChangeCall =
  | 'cache-mode'
  | 'cache-flush'
  | 'cache-attach'
  | 'cache-detach'
  | 'cache-accept-loss'

const SOON_MS = 30_000
/** A drain of a whole SSD to a slow disk. */
const DRAINED_MS = 86_400_000
const LOOK_MS = 500

interface ModeFlags extends PlaceFlags {
  readonly force?: true
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
    const layers = await layersOf(cli, name, flags)
    cli.print({ layers }, () => layersText(layers, cli.colours))
  })
  withPlace(
    group
      .command('mode')
      .description('another mode, while requests go on; ends when all that must is on the disks')
      .argument('<name>')
      .addArgument(modeArgument(group)),
  )
    .option('--force', 'writeback on devices that have not passed cache flush-test')
    .action(async (name: string, word: string, flags: ModeFlags) => {
      const mode: CacheMode = word === 'pass' ? 'pass-through' : (word as CacheMode)
      if (mode === 'writeback') {
        const devices = (await layersOf(cli, name, flags)).flatMap((layer) => layer.devices)
        await admitWriteback(cli, [...new Set(devices)], flags)
      }
      await change(cli, name, 'cache-mode', { pool: name, mode }, flags)
    })
  for (const [verb, call, description] of [
    ['flush', 'cache-flush', 'make all that was written durable; in writeback on the SSDs'],
    ['detach', 'cache-detach', 'bring all that is dirty home and let go of the SSDs'],
    ['accept-loss', 'cache-accept-loss', 'give up what was lost: it is what the disks have'],
    ['attach', 'cache-attach', 'take the SSDs again; the cache begins empty'],
  ] as const) {
    withPlace(group.command(verb).description(description).argument('<name>')).action(
      (name: string, flags: PlaceFlags) => change(cli, name, call, { pool: name }, flags),
    )
  }
}

function modeArgument(group: Command) {
  return group
    .createArgument('<mode>', 'writethrough, writeback or pass')
    .choices(['writethrough', 'writeback', 'pass'])
}

async function layersOf(cli: Cli, name: string, flags: PlaceFlags): Promise<readonly CacheLayer[]> {
  const { callCache } = await import('@purlin/cache-native')
  const options = { deadlineMs: SOON_MS, signal: cli.streams.signal }
  return (await callCache(socketsOf(name, flags), 'cache-status', { pool: name }, options)).layers
}

/** Makes a change and shows how much of the dirty data is home while it goes on. */
async function change(
  cli: Cli,
  name: string,
  call: ChangeCall,
  words: { readonly pool: string; readonly mode?: CacheMode },
  flags: PlaceFlags,
): Promise<void> {
  const { callCache } = await import('@purlin/cache-native')
  const { signal, clock, stderr } = cli.streams
  const progress = new ByteProgress(stderr, 'brought home')
  const over = new AbortController()
  const dirty = async () => dirtyBytes(await layersOf(cli, name, flags))
  const totalBytes = await dirty()
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await clock.sleep(LOOK_MS, over.signal).catch(() => undefined)
      if (over.signal.aborted) return
      progress.show(Math.max(0, totalBytes - (await dirty())), totalBytes)
    }
  }
  const watching = totalBytes > 0 && call !== 'cache-flush' ? watch() : Promise.resolve()
  try {
    const options = { deadlineMs: DRAINED_MS, signal }
    await callCache(socketsOf(name, flags), call, words as never, options)
  } finally {
    over.abort()
    await watching.catch(() => undefined)
    progress.clear()
  }
  const layers = await layersOf(cli, name, flags)
  cli.print({ layers }, () => layersText(layers, cli.colours))
}

function dirtyBytes(layers: readonly CacheLayer[]): number {
  return layers.reduce((sum, layer) => sum + layer.dirtyBytes, 0)
}
