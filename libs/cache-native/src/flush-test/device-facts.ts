import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PurlinError } from '@purlin/base'

/** What the kernel says of a device, as far as it says it. */
export interface DeviceFacts {
  /** A device, or a file on one. */
  readonly path: string
  /** The disk’s name in the kernel: `nvme0n1`. */
  readonly disk: string
  /** Tells it from all others where the device has a name of the world or a serial number. */
  readonly identity: string
  readonly model: string
  readonly rotates: boolean
  /** `volatile`: what was written and not flushed may be lost with the power. */
  readonly writeCache: 'volatile' | 'none' | 'unknown'
  /** Writes can be durable by themselves, without a flush of everything. */
  readonly forcedUnitAccess: boolean
  /** `none-needed`: the device has no volatile cache, or says that the cache survives. */
  readonly powerLoss: 'none-needed' | 'flushes-needed' | 'unknown'
}

/** Reads a device’s facts from sysfs (Documentation/ABI/stable/sysfs-block). `sysfs` and `number`
 *  are for tests: where the tree lies, and `major:minor`. Errors: PUR_CACHE_INVALID when there is
 *  no such path or nothing is known of what it lies on. */
export async function deviceFacts(
  path: string,
  sysfs = '/sys',
  number?: string,
): Promise<DeviceFacts> {
  const folder = await diskFolder(sysfs, number ?? (await deviceNumber(path)), path)
  const text = async (name: string): Promise<string> =>
    (await readFile(join(folder, name), 'utf8').catch(() => '')).trim()
  const [cache, fua, rotates, model] = await Promise.all(
    ['queue/write_cache', 'queue/fua', 'queue/rotational', 'device/model'].map(text),
  )
  const scsi = await scsiCache(folder)
  const words = [await text('wwid'), await text('device/wwid'), await text('device/serial')]
  const identity = words.find((word) => word !== '') ?? basename(folder)
  const writeCache = cacheOf(cache ?? '', scsi)
  return {
    path,
    disk: basename(folder),
    identity,
    model: model === '' ? 'unknown' : (model ?? 'unknown'),
    rotates: rotates === '1',
    writeCache,
    forcedUnitAccess: fua === '1',
    powerLoss: { volatile: 'flushes-needed', none: 'none-needed', unknown: 'unknown' }[
      writeCache
    ] as DeviceFacts['powerLoss'],
  }
}

/** `write back` of the queue is what the kernel acts on; a SCSI disk’s own word stands beside it.
 *  The worse of the two counts. */
function cacheOf(queue: string, scsi: string): DeviceFacts['writeCache'] {
  if (queue === 'write back' || scsi.startsWith('write back')) return 'volatile'
  if (queue === 'write through' || scsi.startsWith('write through')) return 'none'
  return 'unknown'
}

async function scsiCache(folder: string): Promise<string> {
  const parent = join(folder, 'device/scsi_disk')
  const [name] = await readdir(parent).catch(() => [])
  if (name === undefined) return ''
  return (await readFile(join(parent, name, 'cache_type'), 'utf8').catch(() => '')).trim()
}

async function deviceNumber(path: string): Promise<string> {
  const found = await stat(path).catch((error: Error) => {
    throw new PurlinError('PUR_CACHE_INVALID', { message: `${path}: ${error.message}` })
  })
  const device = found.isBlockDevice() ? found.rdev : found.dev
  // As makedev(3) of glibc has it.
  const major = Math.floor(device / 256) % 4096
  const minor = (device % 256) + Math.floor(device / 1_048_576) * 256
  return `${major}:${minor}`
}

/** A partition has no queue of its own; its disk is the folder above. */
async function diskFolder(sysfs: string, number: string, path: string): Promise<string> {
  const folder = await realpath(join(sysfs, 'dev/block', number)).catch(() => undefined)
  const candidates = folder === undefined ? [] : [folder, dirname(folder)]
  for (const candidate of candidates) {
    const names = await readdir(join(candidate, 'queue')).catch(() => [])
    if (names.length > 0) return candidate
  }
  throw new PurlinError('PUR_CACHE_INVALID', {
    message: `${path}: the kernel says nothing of device ${number}; name the disk itself`,
  })
}
