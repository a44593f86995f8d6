import { PurlinError, run, systemClock } from '@purlin/base'
import type { Job } from '../disk/jobs.ts'
import type { MemoryDisk } from './memory-disk.ts'

/** What stands before the slow disk. */
export const peerNames = ['bare', 'purlin', 'bcache', 'dm-cache', 'dm-writecache'] as const
export type PeerName = (typeof peerNames)[number]

/** How many of the clients’ reads a peer says it had on the SSD. */
export interface ReadHits {
  readonly reads: number
  readonly hits: number
}

/** A cache that serves. */
export interface Peer {
  /** fio’s words for it: a device, or an NBD address. */
  readonly words: readonly string[]
  /** Since it was started; `undefined` where it does not say, or says it too late. */
  readHits(): Promise<ReadHits | undefined>
  /** Brings everything dirty to the disk. */
  drain(): Promise<void>
  close(): Promise<void>
}

/** What a peer is made of. */
export interface PeerParts {
  readonly slow: MemoryDisk
  readonly ssd: MemoryDisk
  readonly mode: Job['mode']
}

/** fio’s words for a device of the kernel. Pure. */
export function deviceWords(path: string): readonly string[] {
  return ['--ioengine=libaio', '--direct=1', `--filename=${path}`]
}

const CALL_MS = 120_000
const SETTLE_MS = 900_000
const LOOK_MS = 100

/** A program’s output; device-mapper’s makes its nodes itself, since no udev runs. */
export async function output(program: string, ...words: readonly string[]): Promise<string> {
  const environment = { DM_DISABLE_UDEV: '1' }
  return (await run(program, words, { timeoutMs: CALL_MS, environment })).stdout
}

/** Waits until something is so. Errors: PUR_DEADLINE_PASSED. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const limitMs = systemClock.monotonicMs() + SETTLE_MS
  while (!(await holds())) {
    if (systemClock.monotonicMs() > limitMs) {
      throw new PurlinError('PUR_DEADLINE_PASSED', { message: `${what} did not come` })
    }
    await systemClock.sleep(LOOK_MS)
  }
}
