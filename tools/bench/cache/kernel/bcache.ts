import { readFile, writeFile } from 'node:fs/promises'
import { deviceWords, output, type Peer, type PeerParts, until } from './peer.ts'

const DEVICE = '/sys/block/bcache0/bcache'

/** bcache (Documentation/admin-guide/bcache.rst). Its two limits of latency are off, as for any
 *  comparison: an emulated processor makes the SSD look busy, and it would be passed by. */
export async function startBcache({ slow, ssd, mode }: PeerParts): Promise<Peer> {
  await output('modprobe', 'bcache')
  // 1024 buckets: it wants more than 512.
  const bucket = `${ssd.sizeMib}k`
  const made = await output('make-bcache', '--bucket', bucket, '-B', slow.path, '-C', ssd.path)
  const set = /^Set UUID:\s*(\S+)$/m.exec(made)?.[1] ?? ''
  for (const { path } of [slow, ssd]) await writeFile('/sys/fs/bcache/register', path)
  await until('bcache', async () => (await word('state')) !== 'no cache')
  for (const limit of ['congested_read_threshold_us', 'congested_write_threshold_us']) {
    await writeFile(`/sys/fs/bcache/${set}/${limit}`, '0')
  }
  await writeFile(`${DEVICE}/cache_mode`, mode)
  return {
    words: deviceWords('/dev/bcache0'),
    // It adds its counters up some twenty seconds late.
    readHits: async () => undefined,
    drain: async () => {
      await writeFile(`${DEVICE}/cache_mode`, 'writethrough')
      await writeFile(`${DEVICE}/writeback_percent`, '0')
      await writeFile(`${DEVICE}/writeback_delay`, '0')
      await until('a clean bcache', async () => (await word('state')) === 'clean')
    },
    close: async () => {
      await writeFile(`${DEVICE}/stop`, '1')
      await writeFile(`/sys/fs/bcache/${set}/stop`, '1')
      await until('the end of bcache', async () => (await word('state')) === '')
      await until('the end of its set', async () => {
        const blocks = await readFile(`/sys/fs/bcache/${set}/block_size`).catch(() => undefined)
        return blocks === undefined
      })
    },
  }
}

async function word(name: string): Promise<string> {
  return (await readFile(`${DEVICE}/${name}`, 'utf8').catch(() => '')).trim()
}
