import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { callCache, serveWords } from '@purlin/cache-native'
import { type Peer, type PeerParts, until } from './peer.ts'

const CALL_MS = 900_000

/** Our cache, served to fio’s own NBD client. */
export async function startOurs({ slow, ssd, mode }: PeerParts, program: string): Promise<Peer> {
  const folder = await mkdtemp('/tmp/purlin-')
  const [sockets, locks] = [join(folder, 's'), join(folder, 'locks')]
  const parts = { origin: slow.path, devices: [ssd.path], name: 'v', sockets, locks, mode }
  const child = spawn(program, serveWords(parts), { stdio: ['ignore', 2, 2] })
  const socket = join(sockets, 'v.sock')
  await until(socket, async () => {
    if (child.exitCode !== null) {
      throw new PurlinError('PUR_CACHE_REFUSED', { message: `${program}: ${child.exitCode}` })
    }
    return existsSync(socket)
  })
  const options = { deadlineMs: CALL_MS }
  const call = { pool: 'v' }
  return {
    words: ['--ioengine=nbd', `--uri=nbd+unix:///v?socket=${socket}`],
    readHits: async () => {
      const { layers } = await callCache(sockets, 'cache-status', call, options)
      const [{ readPages, missedPages } = { readPages: 0, missedPages: 0 }] = layers
      return { reads: readPages, hits: readPages - missedPages }
    },
    drain: async () => {
      await callCache(sockets, 'cache-mode', { ...call, mode: 'writethrough' }, options)
    },
    close: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
      await rm(folder, { recursive: true })
    },
  }
}
