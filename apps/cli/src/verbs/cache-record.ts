import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { createZstdCompress } from 'node:zlib'
import type { Command } from 'commander'
import { type PlaceFlags, socketsOf, withPlace } from '../cache-place.ts'
import type { Cli } from '../cli.ts'
import { positiveNumber } from '../options.ts'

const CALL_MS = 30_000
const TAKE_EVERY_MS = 250
const SECOND_MS = 1_000

interface RecordFlags extends PlaceFlags {
  readonly trace: string
  readonly seconds: number
}

/** `purlin cache record`: the requests of a volume in use, as a trace. */
export function addCacheRecord(group: Command, cli: Cli): void {
  withPlace(
    group
      .command('record')
      .description('write the requests of a volume in use to a trace, for cache advise and sim')
      .argument('<volume>', 'a volume of a pool, or a served device')
      .requiredOption('--trace <file>', 'the trace, of format csv; packed if it ends with .zst')
      .option('--seconds <seconds>', 'how long; until it is interrupted', positiveNumber, 60),
  ).action((volume: string, flags: RecordFlags) => record(cli, volume, flags))
}

async function record(cli: Cli, volume: string, flags: RecordFlags): Promise<void> {
  const { callCache } = await import('@purlin/cache-native')
  const { clock, signal } = cli.streams
  const sockets = socketsOf(volume, flags)
  const options = { deadlineMs: CALL_MS }
  const file = createWriteStream(flags.trace, { flags: 'wx' })
  const packed = flags.trace.endsWith('.zst') ? createZstdCompress() : undefined
  packed?.pipe(file)
  const out = packed ?? file
  const failed = finished(file)
  failed.catch(() => undefined)
  await callCache(sockets, 'record-start', { volume }, options)
  const untilMs = clock.monotonicMs() + flags.seconds * SECOND_MS
  let [requests, dropped] = [0, 0]
  try {
    for (;;) {
      const over = clock.monotonicMs() >= untilMs || signal.aborted
      const part = await callCache(sockets, 'record-take', { volume }, options)
      if (!out.write(part.lines)) await once(out, 'drain')
      requests += part.requests
      dropped = part.dropped
      if (over && !part.more) break
      if (!part.more) await clock.sleep(TAKE_EVERY_MS, signal).catch(() => undefined)
    }
  } finally {
    await callCache(sockets, 'record-stop', { volume }, options)
    out.end()
    await failed
  }
  const missed = dropped === 0 ? '' : `; ${dropped} more came too fast`
  cli.print({ trace: flags.trace, requests, dropped }, () => {
    return `${flags.trace}: ${requests} requests of ${volume}${missed}\n`
  })
}
