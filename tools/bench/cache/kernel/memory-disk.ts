import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const DISKS = '/sys/kernel/config/nullb'

/** A disk of the kernel’s null_blk that keeps what is written in memory, zeroes at first. */
export interface MemoryDisk {
  readonly path: string
  readonly sizeMib: number
  /** What the kernel’s block layer has sent it since it was made. */
  requests(): Promise<DiskRequests>
  remove(): Promise<void>
}

/** Requests of a disk after merging, and their bytes. */
export interface DiskRequests {
  readonly reads: number
  readonly writes: number
  readonly readBytes: number
  readonly writtenBytes: number
}

const SECTOR_BYTES = 512

/** Makes a disk; with `delayMs` it serves one request at a time, each so long. The name is the
 *  kernel’s (Documentation/block/null_blk.rst). */
export async function makeMemoryDisk(
  name: 'nullb0' | 'nullb1',
  sizeMib: number,
  delayMs = 0,
): Promise<MemoryDisk> {
  const folder = join(DISKS, name)
  await mkdir(folder)
  const settings = {
    ...{ size: sizeMib, memory_backed: 1, blocksize: 512, submit_queues: 1 },
    ...(delayMs > 0 && { irqmode: 2, completion_nsec: delayMs * 1e6, hw_queue_depth: 1 }),
    power: 1,
  }
  for (const [setting, word] of Object.entries(settings)) {
    await writeFile(join(folder, setting), `${word}`)
  }
  return {
    path: `/dev/${name}`,
    sizeMib,
    requests: async () => requestsOf(await readFile(`/sys/block/${name}/stat`, 'utf8')),
    remove: async () => {
      await writeFile(join(folder, 'power'), '0')
      await rmdir(folder)
    },
  }
}

/** Reads a disk’s `stat` (Documentation/block/stat.rst). Pure. */
export function requestsOf(stat: string): DiskRequests {
  const [reads = 0, , readSectors = 0, , writes = 0, , writtenSectors = 0] = stat
    .trim()
    .split(/\s+/)
    .map(Number)
  return {
    reads,
    writes,
    readBytes: readSectors * SECTOR_BYTES,
    writtenBytes: writtenSectors * SECTOR_BYTES,
  }
}
