import type { NewEvent, SpecOf } from '@purlin/schema'
import type { Alerts } from '@purlin/service'
import type { PoolHealth } from '@purlin/storage'

/** The highest of the pool's levels that its disks have reached, in percent; undefined below all.
 *  Pure. */
export function fillLevel(
  { warnAtPercent }: SpecOf<'StoragePool'>['capacity'],
  { usedBytes, sizeBytes }: Pick<PoolHealth, 'usedBytes' | 'sizeBytes'>,
): number | undefined {
  if (sizeBytes === 0) return undefined
  const percent = (usedBytes / sizeBytes) * 100
  const reached = warnAtPercent.filter((level) => percent >= level)
  return reached.length === 0 ? undefined : Math.max(...reached)
}

/** Tells when a pool reaches one of its levels or goes below it: an event each time, and one alert
 *  that is critical at the highest level. */
export class FillWatch {
  readonly #tell: (event: NewEvent) => void
  readonly #alerts: Pick<Alerts, 'raise' | 'clear'>
  readonly #levels = new Map<string, number>()

  constructor(tell: (event: NewEvent) => void, alerts: Pick<Alerts, 'raise' | 'clear'>) {
    this.#tell = tell
    this.#alerts = alerts
  }

  see(name: string, spec: SpecOf<'StoragePool'>, health: PoolHealth): void {
    if (health.phase !== 'running') return
    const level = fillLevel(spec.capacity, health) ?? 0
    const before = this.#levels.get(name) ?? 0
    this.#levels.set(name, level)
    const subject = { kind: 'StoragePool', name }
    if (level > 0) {
      const isLast = level === Math.max(...spec.capacity.warnAtPercent)
      const severity = isLast ? 'critical' : 'warning'
      const message = `pool ${name} is filled to ${level} percent or more; add disks, or delete what is not needed`
      this.#alerts.raise({ code: 'PUR_BLOCK_FILLING', severity, subject, message })
      if (level > before) this.#tell({ type: 'pool.filling', severity, subject, message })
    } else if (before > 0) {
      this.#alerts.clear(subject, 'PUR_BLOCK_FILLING')
    }
  }
}
