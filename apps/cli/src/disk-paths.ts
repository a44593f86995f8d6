import { dirname, resolve } from 'node:path'

/** A document of a manifest as it is sent: the paths of a pool's disks, which are relative to the
 *  manifest, are made whole, since nobody else knows where it lies. What is no pool, and what is no
 *  path, stays as it is. Pure. */
export function withWholePaths(document: unknown, fileName: string): unknown {
  if (!isRecord(document) || document.kind !== 'StoragePool' || !isRecord(document.spec)) {
    return document
  }
  const folder = fileName === 'stdin' ? '.' : dirname(fileName)
  const whole = (disk: unknown): unknown =>
    isRecord(disk) && typeof disk.path === 'string' && disk.path !== ''
      ? { ...disk, path: resolve(folder, disk.path) }
      : disk
  const { spec } = document
  const cache = isRecord(spec.cache) && Array.isArray(spec.cache.devices) ? spec.cache : undefined
  return {
    ...document,
    spec: {
      ...spec,
      ...(Array.isArray(spec.disks) && { disks: spec.disks.map(whole) }),
      ...(cache && { cache: { ...cache, devices: (cache.devices as unknown[]).map(whole) } }),
    },
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
