import type { ChassisTransition, DiscoveryReport, StoredReport } from '@purlin/schema'
import type { Store, Write } from '@purlin/store'
import type { Life } from './life.ts'
import type { Transition } from './step.ts'

const LIVES = '/life/'
const HISTORY_KEPT = 200
const REPORTS_KEPT = 16
const CONSOLE_CHARACTERS = 2_048

type LifeStore = Pick<Store, 'get' | 'list' | 'transact'>

/** A life as it was read, with the store's revision of it. */
export interface LifeEntry {
  readonly life: Life
  readonly revision: number
}

/** The records of lives: each with its history and its discovery reports, both bounded. */
export class LifeRecords {
  readonly #store: LifeStore

  constructor(store: LifeStore) {
    this.#store = store
  }

  async lives(): Promise<readonly LifeEntry[]> {
    const { entries } = await this.#store.list(LIVES)
    return entries.map(({ value, revision }) => ({ life: value as Life, revision }))
  }

  /** Writes a life with what led to it, before anything is done by it. Errors: PUR_STORE_*;
   *  PUR_STORE_CONFLICT where another wrote it since `revision` (0: it is new). */
  async write(life: Life, revision: number, transitions: readonly Transition[]): Promise<number> {
    const history = transitions.flatMap((transition): readonly Write[] => [
      { put: historyKey(life.chassis, transition.sequence), value: shortened(transition) },
      ...(transition.sequence > HISTORY_KEPT
        ? [{ delete: historyKey(life.chassis, transition.sequence - HISTORY_KEPT) }]
        : []),
    ])
    const key = `${LIVES}${life.chassis}`
    const { revision: written } = await this.#store.transact({
      guards: [{ key, revision }],
      writes: [{ put: key, value: life }, ...history],
    })
    return written
  }

  /** Takes a life away with all that belongs to it. */
  async remove(chassis: string): Promise<void> {
    const below = [`${HISTORY}${chassis}/`, `${REPORTS}${chassis}/`]
    const lists = await Promise.all(below.map((prefix) => this.#store.list(prefix)))
    const keys = lists.flatMap(({ entries }) => entries.map(({ key }) => key))
    const writes = [`${LIVES}${chassis}`, ...keys].map((key): Write => ({ delete: key }))
    await this.#store.transact({ writes })
  }

  /** Oldest first. */
  async history(chassis: string, limit: number): Promise<readonly ChassisTransition[]> {
    const { entries } = await this.#store.list(`${HISTORY}${chassis}/`)
    return entries.slice(-limit).map(({ value }) => {
      const { sequence, atMs, word, from, to, attempt, message, consoleTail } = value as Transition
      return {
        sequence,
        atMs,
        event: word,
        from,
        to,
        ...(attempt !== undefined && { attempt }),
        ...(message !== undefined && { message }),
        ...(consoleTail !== undefined && { consoleTail }),
      }
    })
  }

  /** Keeps a report under its number; the oldest beyond sixteen go. */
  async keepReport(chassis: string, { id, atMs, report }: StoredReport): Promise<void> {
    await this.#store.transact({
      writes: [
        { put: reportKey(chassis, id), value: { id, atMs, report } },
        ...(id > REPORTS_KEPT ? [{ delete: reportKey(chassis, id - REPORTS_KEPT) }] : []),
      ],
    })
  }

  async report(chassis: string, id: number): Promise<StoredReport | undefined> {
    const entry = await this.#store.get(reportKey(chassis, id))
    return entry === undefined ? undefined : (entry.value as StoredReport)
  }

  /** Oldest first. */
  async reports(chassis: string): Promise<readonly StoredReport[]> {
    const { entries } = await this.#store.list(`${REPORTS}${chassis}/`)
    return entries.map(({ value }) => value as StoredReport)
  }

  /** The report that a life rests on. Undefined where it has none. */
  async reportOf(life: Life, id = life.reportId): Promise<DiscoveryReport | undefined> {
    return id === undefined ? undefined : (await this.report(life.chassis, id))?.report
  }
}

const HISTORY = '/life-history/'
const REPORTS = '/discovery-report/'

function historyKey(chassis: string, sequence: number): string {
  return `${HISTORY}${chassis}/${numberText(sequence)}`
}

function reportKey(chassis: string, id: number): string {
  return `${REPORTS}${chassis}/${numberText(id)}`
}

/** Ten digits, so that keys sort by number. */
function numberText(value: number): string {
  return String(Math.max(0, value)).padStart(10, '0')
}

function shortened(transition: Transition): Transition {
  const { consoleTail, ...rest } = transition
  if (consoleTail === undefined || consoleTail === '') return rest
  return { ...rest, consoleTail: consoleTail.slice(-CONSOLE_CHARACTERS) }
}
