import { deviceWords, output, type Peer, type PeerParts, type ReadHits, until } from './peer.ts'

const SECTORS_OF_MIB = 2048
/** What dm-cache has for its metadata, of the SSD. */
const METADATA_PART = 1 / 32
/** The smallest block of dm-cache: 32 KiB. */
const CACHE_BLOCK_SECTORS = 64

/** dm-cache with its policy smq and the smallest blocks it knows
 *  (Documentation/admin-guide/device-mapper/cache.rst). */
export async function startDmCache({ slow, ssd, mode }: PeerParts): Promise<Peer> {
  await output('modprobe', 'dm-cache-smq')
  const metadata = Math.ceil(ssd.sizeMib * METADATA_PART) * SECTORS_OF_MIB
  const rest = ssd.sizeMib * SECTORS_OF_MIB - metadata
  await create('metadata', `0 ${metadata} linear ${ssd.path} 0`)
  await create('blocks', `0 ${rest} linear ${ssd.path} ${metadata}`)
  const table = (policy: string): string =>
    `0 ${slow.sizeMib * SECTORS_OF_MIB} cache /dev/mapper/metadata /dev/mapper/blocks ` +
    `${slow.path} ${CACHE_BLOCK_SECTORS} 1 ${mode} ${policy} 0`
  await create('cached', table('smq'))
  const status = async () => cacheStatus(await output('dmsetup', 'status', 'cached'))
  return {
    words: deviceWords('/dev/mapper/cached'),
    readHits: status,
    drain: async () => {
      await output('dmsetup', 'suspend', 'cached')
      await output('dmsetup', 'reload', 'cached', '--table', table('cleaner'))
      await output('dmsetup', 'resume', 'cached')
      await until('a clean dm-cache', async () => (await status()).dirty === 0)
    },
    close: async () => {
      for (const name of ['cached', 'blocks', 'metadata']) await output('dmsetup', 'remove', name)
    },
  }
}

/** dm-writecache (Documentation/admin-guide/device-mapper/writecache.rst). */
export async function startDmWritecache({ slow, ssd }: PeerParts): Promise<Peer> {
  await output('modprobe', 'dm-writecache')
  const sectors = slow.sizeMib * SECTORS_OF_MIB
  await create('cached', `0 ${sectors} writecache s ${slow.path} ${ssd.path} 4096 0`)
  return {
    words: deviceWords('/dev/mapper/cached'),
    readHits: async () => writecacheStatus(await output('dmsetup', 'status', 'cached')),
    // It is answered when everything has been written back.
    drain: async () => void (await output('dmsetup', 'message', 'cached', '0', 'flush')),
    close: async () => void (await output('dmsetup', 'remove', 'cached')),
  }
}

async function create(name: string, table: string): Promise<void> {
  await output('dmsetup', 'create', name, '--table', table)
}

/** Pure. Shape: start, length, `cache`, metadata block size, used/total, cache block size,
 *  used/total, read hits, read misses, write hits, write misses, demotions, promotions, dirty. */
export function cacheStatus(line: string): ReadHits & { readonly dirty: number } {
  const words = line.trim().split(/\s+/)
  const [hits, misses, dirty] = [7, 8, 13].map((at) => Number(words[at])) as [
    number,
    number,
    number,
  ]
  return { reads: hits + misses, hits, dirty }
}

/** Pure. Shape: start, length, `writecache`, error, blocks, free, under writeback, reads, hits. */
export function writecacheStatus(line: string): ReadHits {
  const words = line.trim().split(/\s+/)
  return { reads: Number(words[7]), hits: Number(words[8]) }
}
