/** What of a disk can be limited: requests or bytes a second, of all, of reading, of writing. */
export const DISK_RATES = [
  'iops',
  'readIops',
  'writeIops',
  'bytes',
  'readBytes',
  'writeBytes',
] as const
export type DiskRate = (typeof DISK_RATES)[number]

/** So much a second, and for so long as much as `burst`. */
export interface RateLimit {
  readonly perSecond: number
  /** At least `perSecond`; absent: no bursts. */
  readonly burst?: number | undefined
  /** How long a burst may last; absent: 1. */
  readonly burstSeconds?: number | undefined
}

export type DiskLimits = { readonly [Rate in DiskRate]?: RateLimit | undefined }

/** libvirt's words. Source: libvirt, "Domain XML format", iotune, and virDomainSetBlockIoTune,
 *  which uses the same. */
const WORDS: Readonly<Record<DiskRate, string>> = {
  iops: 'total_iops_sec',
  readIops: 'read_iops_sec',
  writeIops: 'write_iops_sec',
  bytes: 'total_bytes_sec',
  readBytes: 'read_bytes_sec',
  writeBytes: 'write_bytes_sec',
}

/** The limits in libvirt's words, those that are set. Pure. */
export function limitWords(limits: DiskLimits = {}): Readonly<Record<string, number>> {
  const words: Record<string, number> = {}
  for (const rate of DISK_RATES) {
    const limit = limits[rate]
    if (limit === undefined) continue
    const word = WORDS[rate]
    words[word] = limit.perSecond
    if (limit.burst === undefined) continue
    words[`${word}_max`] = limit.burst
    words[`${word}_max_length`] = limit.burstSeconds ?? 1
  }
  return words
}

/** As `limitWords`, with a 0 for every rate that is not limited, which takes a limit away. QEMU
 *  remembers the length of a burst and refuses one without a burst, of which a second counts as
 *  none. Pure. */
export function allLimitWords(limits: DiskLimits = {}): Readonly<Record<string, number>> {
  const none = DISK_RATES.flatMap((rate) => [
    [WORDS[rate], 0],
    [`${WORDS[rate]}_max`, 0],
    [`${WORDS[rate]}_max_length`, 1],
  ])
  return { ...Object.fromEntries(none), ...limitWords(limits) }
}

/** Limits in libvirt's words, in one order and form, so that two of them can be compared: a burst
 *  lasts a second where nothing is said. Pure. */
export function limitsText(words: Readonly<Record<string, number>>): string {
  const said = DISK_RATES.flatMap((rate) => {
    const word = WORDS[rate]
    const perSecond = words[word] ?? 0
    if (perSecond === 0) return []
    const burst = words[`${word}_max`] ?? 0
    return [[word, perSecond, burst, burst === 0 ? 0 : (words[`${word}_max_length`] ?? 1)]]
  })
  return JSON.stringify(said)
}
