import { isDeepStrictEqual } from 'node:util'
import { type ErrorCode, errorEntry, PurlinError } from '@purlin/base'
import type { Kind, Manifest } from '@purlin/schema'
import type { PoolHealth, StorageHealth, VolumeHealth } from '@purlin/storage'
import { limitsOf } from '../desired/storage.ts'
import type { Readiness } from './readiness.ts'

const GIB = 2 ** 30
const STORAGE_KINDS: ReadonlySet<string> = new Set<Kind>([
  'Topology',
  'StoragePool',
  'Volume',
  'Snapshot',
])

/** Whether the block daemon brings resources of this kind about. Pure. */
export function isStorage(kind: string): boolean {
  return STORAGE_KINDS.has(kind)
}

/** Whether a storage resource is as it should be, by what is seen of the block daemon; without a
 *  view the host serves no storage. Pure. */
export function storageFinding(manifest: Manifest, seen: StorageHealth | undefined): Readiness {
  if (manifest.kind === 'StoragePool' && manifest.spec.engine !== 'local') {
    return unserved(`engine ${manifest.spec.engine} is not served by this host`)
  }
  if (seen === undefined) return unserved('this host has no [storage] in its configuration')
  if (manifest.kind === 'Topology') return ready('Known', 'fault domains are taken from it')
  if (seen.trouble !== undefined) return absent('NoDaemon', seen.trouble)
  if (manifest.kind === 'StoragePool') return poolFinding(manifest, seen.pools.get(manifest.name))
  const found = seen.volumes.get(manifest.name)
  if (found === undefined) return absent('Changing', `${manifest.name} is not there yet`)
  if (manifest.kind === 'Snapshot') return ready('Taken', `it is in pool ${found.pool}`)
  if (manifest.kind !== 'Volume') return unserved(`no driver for ${manifest.kind} here`)
  if (found.pool !== manifest.spec.pool) {
    const message = `it is in pool ${found.pool} and does not move to ${manifest.spec.pool}; clone it there`
    return refused('PUR_BLOCK_INVALID', message)
  }
  if (found.copying) return absent('Copying', copyText(found))
  if (manifest.spec.source?.clone !== 'linked' && found.parent !== undefined) {
    return absent('Changing', `it still shares its blocks with ${found.parent}`)
  }
  const wanted = (manifest.spec.sizeGiB ?? 0) * GIB
  if (found.sizeBytes < wanted) return absent('Changing', `it has ${found.sizeBytes} bytes yet`)
  if (manifest.spec.sizeGiB !== undefined && found.sizeBytes >= wanted + 4096) {
    const message = `it has ${found.sizeBytes / GIB} GiB and never shrinks; want at least those`
    return refused('PUR_BLOCK_INVALID', message)
  }
  if (!isDeepStrictEqual(found.limits, limitsOf(manifest.spec.qos))) {
    return absent('Changing', 'its limits are not set yet')
  }
  return ready('Served', `it is served at ${found.socket}`)
}

function copyText({ copy }: VolumeHealth): string {
  if (copy === undefined)
    return 'what was copied of it from another pool is a part; it begins again'
  const { copiedBytes, totalBytes } = copy
  const percent = totalBytes === 0 ? 0 : Math.floor((100 * copiedBytes) / totalBytes)
  return `its blocks are being copied from another pool: ${percent} % of ${totalBytes} bytes`
}

/** What the status of a storage resource shows beside its conditions. Pure. */
export function storageFields(
  { kind, name }: Manifest,
  seen: StorageHealth | undefined,
): Record<string, unknown> {
  const found = kind === 'StoragePool' ? seen?.pools.get(name) : seen?.volumes.get(name)
  return { ...found }
}

function poolFinding(
  { name, spec }: Manifest<'StoragePool'>,
  found: PoolHealth | undefined,
): Readiness {
  if (found === undefined) return absent('Changing', `pool ${name} is not served yet`)
  if (found.reason !== undefined) return refused(found.reason.code, found.reason.message)
  if (found.phase !== 'running') return absent('Changing', `pool ${name} is ${found.phase}`)
  const there = new Set(found.disks.map((disk) => disk.name))
  const lacking = spec.disks.map((disk) => disk.name).filter((disk) => !there.has(disk))
  const wanted = new Set(spec.disks.map((disk) => disk.name))
  const away = found.disks.filter(({ name: it, state }) => state === 'missing' && !wanted.has(it))
  // Those that were away when the pool was opened have no names.
  if (lacking.length > away.length) {
    return absent('DisksDiffer', `disks ${lacking.join(', ')} are not in pool ${name}`)
  }
  const ill = found.disks.filter(({ state }) => state !== 'online')
  const named = ill.filter((disk) => !away.includes(disk))
  const states = [
    ...lacking.map((disk) => `${disk} is missing`),
    ...away.slice(lacking.length).map(() => 'a disk is missing that it does not name'),
    ...named.map((disk) => `${disk.name} is ${disk.state}`),
  ].join(', ')
  if (ill.length > 0) return ready('Degraded', `it serves while ${states}`)
  return ready('Served', `${found.disks.length} disks hold ${found.policy}`)
}

function ready(reason: string, message: string): Readiness {
  return { status: 'true', reason, message }
}

function absent(reason: string, message: string): Readiness {
  return { status: 'false', reason, message }
}

function unserved(message: string): Readiness {
  return { status: 'unknown', reason: 'NotServed', message }
}

function refused(code: string, message: string): Readiness {
  const known = code.startsWith('PUR_') && errorEntry(code) !== undefined
  const error = new PurlinError(known ? (code as ErrorCode) : 'PUR_BLOCK_REFUSED', { message })
  return { status: 'false', reason: 'Failed', message, error }
}
