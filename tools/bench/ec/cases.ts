/** What a worker can be asked to do: encode, rebuild as many data shards as can be lost, rebuild
 *  one, change the parity for one changed shard. */
export type Operation = 'enc' | 'dec' | 'rep' | 'upd'

/** The form of a stripe. */
export interface Shape {
  readonly k: number
  readonly m: number
  readonly sizeBytes: number
}

export const OPERATIONS: readonly Operation[] = ['enc', 'dec', 'rep', 'upd']
export const CODES = ['2+1', '4+2', '8+3', '8+2', '16+2', '10+4'] as const
export const SIZES_BYTES = [4096, 65_536, 1_048_576] as const

/** A ring of stripes, spare shards and all, that is larger than the caches. */
const COLD_BYTES = 160 * 2 ** 20

/** Stripes of the cold case. Pure. */
export function coldStripes({ k, m, sizeBytes }: Shape): number {
  return Math.max(2, Math.ceil(COLD_BYTES / ((2 * k + m) * sizeBytes)))
}

/** `4+2 64K`, as tables name a case. Pure. */
export function shapeName({ k, m, sizeBytes }: Shape): string {
  return `${k}+${m} ${sizeName(sizeBytes)}`
}

/** `64K`, or the plain number where it is no whole KiB. Pure. */
export function sizeName(sizeBytes: number): string {
  if (sizeBytes >= 2 ** 20 && sizeBytes % 2 ** 20 === 0) return `${sizeBytes / 2 ** 20}M`
  return sizeBytes % 1024 === 0 ? `${sizeBytes / 1024}K` : String(sizeBytes)
}

/** The line of the protocol that asks for a slice. Pure. */
export function requestLine(
  operation: string,
  { k, m, sizeBytes }: Shape,
  stripes: number,
  sliceMs: number,
): string {
  return `${operation} ${k} ${m} ${sizeBytes} ${stripes} ${sliceMs}`
}
