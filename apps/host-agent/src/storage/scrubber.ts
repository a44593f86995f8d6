import { readFile } from 'node:fs/promises'
import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import type { NewEvent, SpecOf } from '@purlin/schema'
import { type Alerts, writeWhole } from '@purlin/service'
import type { ControlClient, ScrubRecord } from '@purlin/storage'
import { z } from 'zod'
import { DEEP_OVERDUE_DAYS, deepOverdue, scrubDue } from './scrub-due.ts'

const LOOK_EVERY_MS = 60_000
/** A pool of many tebibytes on slow disks is read for days. */
const SCRUB_DEADLINE_MS = 7 * 24 * 3_600_000

const count = z.number().int().nonnegative()
const report = z.object({ pages: count, stripes: count, repaired: count, lost: count })
const kept = z.record(
  z.string(),
  z.object({
    firstSeenAtMs: z.number(),
    metadataAtMs: z.number().optional(),
    deepAtMs: z.number().optional(),
    failedAtMs: z.number().optional(),
    last: report.extend({ deep: z.boolean(), tookMs: z.number() }).optional(),
  }),
)

export interface ScrubberOptions {
  readonly clock: Clock
  readonly daemon: Pick<ControlClient, 'call'>
  /** Where it is kept when pools were scrubbed. */
  readonly file: string
  /** The pools that serve now, as they are wanted. */
  readonly pools: () => readonly { readonly name: string; readonly spec: SpecOf<'StoragePool'> }[]
  readonly tell: (event: NewEvent) => void
  readonly alerts: Pick<Alerts, 'raise' | 'clear'>
  /** A record has changed. */
  readonly onChange: () => void
  readonly onTrouble: (thrown: unknown) => void
}

/** Scrubs each pool when its schedule says so, one scrub of a pool at a time, and remembers when
 *  over the end of the agent. */
export class Scrubber {
  readonly #options: ScrubberOptions
  #records = new Map<string, ScrubRecord>()

  private constructor(options: ScrubberOptions) {
    this.#options = options
  }

  /** Reads what is known of former scrubs; a file that cannot be read counts as none. */
  static async open(options: ScrubberOptions): Promise<Scrubber> {
    const scrubber = new Scrubber(options)
    const text = await readFile(options.file, 'utf8').catch(() => '{}')
    try {
      for (const [name, found] of Object.entries(kept.parse(JSON.parse(text)))) {
        scrubber.#records.set(name, found as ScrubRecord)
      }
    } catch (thrown) {
      options.onTrouble(thrown)
    }
    return scrubber
  }

  /** What is known of a pool's scrubs. */
  record(pool: string): ScrubRecord | undefined {
    return this.#records.get(pool)
  }

  /** Looks each minute until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.look(signal)
      await this.#options.clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined)
    }
  }

  /** Begins the scrubs that are due; answers when those have ended. */
  async look(signal: AbortSignal): Promise<void> {
    const { pools, clock } = this.#options
    const nowMs = clock.nowMs()
    const begun: Promise<void>[] = []
    for (const { name, spec } of pools()) {
      const record = this.#records.get(name) ?? { firstSeenAtMs: nowMs }
      if (!this.#records.has(name)) this.#keep(name, record)
      this.#tellOverdue(name, record)
      if (record.running !== undefined) continue
      const due = scrubDue(spec.scrub, record, nowMs)
      if (due !== undefined) begun.push(this.#scrub(name, due === 'deep', signal))
    }
    await Promise.all(begun)
  }

  /** Begins a scrub by hand, in busy hours too. Errors: PUR_BLOCK_INVALID where one runs. */
  begin(pool: string, deep: boolean, signal: AbortSignal): void {
    if (this.#records.get(pool)?.running !== undefined) {
      const message = `a scrub of pool ${pool} runs already; purlin pool show ${pool} tells how far it is`
      throw new PurlinError('PUR_BLOCK_INVALID', { message })
    }
    void this.#scrub(pool, deep, signal)
  }

  async #scrub(pool: string, deep: boolean, signal: AbortSignal): Promise<void> {
    const { clock, daemon, tell } = this.#options
    const { running: _running, failedAtMs: _failed, ...before } = this.#recordOf(pool)
    const [startedAtMs, begunMs] = [clock.nowMs(), clock.monotonicMs()]
    const subject = { kind: 'StoragePool', name: pool }
    const what = deep ? 'deep scrub' : 'scrub'
    this.#keep(pool, { ...before, running: { deep, startedAtMs } })
    tell({
      ...{ type: 'scrub.started', severity: 'notice', subject },
      message: `a ${what} of pool ${pool} began`,
    })
    try {
      const call = { deadlineMs: SCRUB_DEADLINE_MS, signal }
      const found = report.parse(await daemon.call('pool-scrub', { pool, deep }, call))
      const endedAtMs = clock.nowMs()
      const last = { ...found, deep, tookMs: Math.round(clock.monotonicMs() - begunMs) }
      const at = deep
        ? { deepAtMs: endedAtMs, metadataAtMs: endedAtMs }
        : { metadataAtMs: endedAtMs }
      this.#keep(pool, { ...before, ...at, last })
      const { pages, stripes, repaired, lost } = found
      const read = deep ? `${pages} map pages and ${stripes} stripes` : `${pages} map pages`
      tell({
        ...{ type: 'scrub.ended', severity: lost > 0 ? 'warning' : 'notice', subject },
        message: `a ${what} of pool ${pool} read ${read}, repaired ${repaired}, found ${lost} lost`,
      })
      this.#tellLost(pool, deep, lost)
      this.#tellOverdue(pool, this.#recordOf(pool))
    } catch (thrown) {
      if (signal.aborted) return
      const error = toPurlinError(thrown)
      this.#keep(pool, { ...before, failedAtMs: clock.nowMs() })
      tell({
        ...{ type: 'scrub.failed', severity: 'warning', subject },
        message: `a ${what} of pool ${pool} failed: ${error.message}`,
      })
    }
  }

  #tellLost(pool: string, deep: boolean, lost: number): void {
    const { alerts } = this.#options
    const subject = { kind: 'StoragePool', name: pool }
    if (lost > 0) {
      const message = `pool ${pool}: ${lost} stripes have more bad shards than the pool survives; restore what was there`
      alerts.raise({ code: 'PUR_BLOCK_LOST', severity: 'critical', subject, message })
    } else if (deep) {
      alerts.clear(subject, 'PUR_BLOCK_LOST')
    }
  }

  #tellOverdue(pool: string, record: ScrubRecord): void {
    const { alerts, clock } = this.#options
    const subject = { kind: 'StoragePool', name: pool }
    if (deepOverdue(record, clock.nowMs())) {
      const message = `pool ${pool}: no deep scrub has finished in ${DEEP_OVERDUE_DAYS} days; look at its schedule and its busy hours`
      alerts.raise({ code: 'PUR_BLOCK_SCRUB_OVERDUE', severity: 'warning', subject, message })
    } else {
      alerts.clear(subject, 'PUR_BLOCK_SCRUB_OVERDUE')
    }
  }

  #recordOf(pool: string): ScrubRecord {
    return this.#records.get(pool) ?? { firstSeenAtMs: this.#options.clock.nowMs() }
  }

  /** What runs is not written: after an end of the agent it is begun again. */
  #keep(pool: string, record: ScrubRecord): void {
    const { file, onChange, onTrouble } = this.#options
    this.#records.set(pool, record)
    const entries = [...this.#records].map(([name, { running: _running, ...rest }]) => [name, rest])
    this.#writing = this.#writing
      .then(() => writeWhole(file, JSON.stringify(Object.fromEntries(entries))))
      .catch(onTrouble)
    onChange()
  }

  #writing: Promise<void> = Promise.resolve()

  /** Resolves when all that was kept is in the file. */
  async flushed(): Promise<void> {
    await this.#writing
  }
}
