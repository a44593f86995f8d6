import type { HostCapacity, PoolFigure } from '@purlin/schema'

/** Processors and memory, of something that has, wants or uses them. */
export interface Amounts {
  readonly cpus: number
  readonly memoryMiB: number
}

export const NOTHING: Amounts = { cpus: 0, memoryMiB: 0 }

/** The sum of amounts. Pure. */
export function sumOf(amounts: readonly Amounts[]): Amounts {
  return amounts.reduce(
    (sum, one) => ({
      cpus: sum.cpus + one.cpus,
      memoryMiB: sum.memoryMiB + one.memoryMiB,
    }),
    NOTHING,
  )
}

/** What of a host is there for machines: all but its own reserve. Pure. */
export function usableOf(capacity: HostCapacity): Amounts {
  return {
    cpus: Math.max(0, capacity.cpus - capacity.reservedCpus),
    memoryMiB: Math.max(0, capacity.memoryMiB - capacity.reservedMemoryMiB),
  }
}

/** What of a host may be promised to machines: what is there for them, by its ratios. Pure. */
export function limitOf(capacity: HostCapacity): Amounts {
  const usable = usableOf(capacity)
  return {
    cpus: tenths(usable.cpus * capacity.cpuRatio),
    memoryMiB: Math.floor(usable.memoryMiB * capacity.memoryRatio),
  }
}

/** Both figures of a host's pool; a host of unknown capacity has nothing to give. Pure. */
export function figuresOf(
  capacity: HostCapacity | undefined,
  reserved: Amounts,
  used: Amounts | undefined,
): { readonly cpus: PoolFigure; readonly memoryMiB: PoolFigure } {
  const usable = capacity === undefined ? NOTHING : usableOf(capacity)
  const limit = capacity === undefined ? NOTHING : limitOf(capacity)
  const figure = (name: keyof Amounts): PoolFigure => ({
    total: capacity?.[name] ?? 0,
    limit: limit[name],
    reserved: reserved[name],
    // Where nothing is known of a host, nothing is known to be too much for it.
    overcommitted: capacity === undefined ? 0 : Math.max(0, reserved[name] - usable[name]),
    ...(used && { used: used[name] }),
  })
  return { cpus: figure('cpus'), memoryMiB: figure('memoryMiB') }
}

/** The sum of figures; `used` where all that is measured is. Pure. */
export function sumOfFigures(figures: readonly PoolFigure[]): PoolFigure {
  const sum = (name: 'total' | 'limit' | 'reserved' | 'overcommitted' | 'used'): number =>
    tenths(figures.reduce((all, one) => all + (one[name] ?? 0), 0) * 100) / 100
  const isMeasured = figures.some(({ used }) => used !== undefined)
  return {
    total: sum('total'),
    limit: sum('limit'),
    reserved: sum('reserved'),
    overcommitted: sum('overcommitted'),
    ...(isMeasured && { used: sum('used') }),
  }
}

function tenths(figure: number): number {
  return Math.round(figure * 10) / 10
}
