import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { addCacheAdvise } from './cache-advise.ts'
import { addCacheFlushTest } from './cache-flush-test.ts'
import { addCacheLive } from './cache-live.ts'
import { addCacheRecord } from './cache-record.ts'
import { addCacheServe } from './cache-serve.ts'
import { addCacheSimulation } from './cache-sim.ts'

/** `purlin cache`: the SSD cache. The library is loaded on demand. */
export function addCache(program: Command, cli: Cli): void {
  const group = program.command('cache').description('the SSD cache')
  addCacheServe(group, cli)
  addCacheLive(group, cli)
  addCacheRecord(group, cli)
  addCacheAdvise(group, cli)
  addCacheSimulation(group, cli)
  addCacheFlushTest(group, cli)
}
