/** What is kept of a moment: bytes and packets each way, drops and errors. */
export interface TrafficSample {
  readonly atMs: number
  readonly inboundBytes: number
  readonly outboundBytes: number
  readonly inboundPackets: number
  readonly outboundPackets: number
  readonly dropped: number
  readonly errors: number
}

const FIELDS = [
  'atMs',
  'inboundBytes',
  'outboundBytes',
  'inboundPackets',
  'outboundPackets',
  'dropped',
  'errors',
] as const

/** A day in steps of five minutes, and the last moments as they were measured. */
const DAY_STEP_MS = 5 * 60_000
const DAY_SAMPLES = 288
const LATEST_SAMPLES = 30
/** Ports beyond this are counted and have no history, so that memory has a bound: 18 kB each. */
const SUBJECTS_LIMIT = 4_096
/** A subject that was not counted for a day is forgotten. */
const FORGOTTEN_MS = DAY_STEP_MS * DAY_SAMPLES

/** Keeps the counters of ports, port groups and uplinks over a day, in memory of a fixed size. */
export class TrafficHistory {
  readonly #subjects = new Map<string, { readonly day: Ring; readonly latest: Ring }>()

  /** Takes in what was counted of a subject. */
  add(subject: string, sample: TrafficSample): void {
    let rings = this.#subjects.get(subject)
    if (rings === undefined) {
      this.#forget(sample.atMs)
      if (this.#subjects.size >= SUBJECTS_LIMIT) return
      rings = { day: new Ring(DAY_SAMPLES), latest: new Ring(LATEST_SAMPLES) }
      this.#subjects.set(subject, rings)
    }
    rings.latest.add(sample)
    const last = rings.day.last()
    if (last === undefined || sample.atMs - last.atMs >= DAY_STEP_MS) rings.day.add(sample)
  }

  /** The samples of a subject, oldest first: steps of five minutes, then the last moments. */
  samples(subject: string): readonly TrafficSample[] {
    const rings = this.#subjects.get(subject)
    if (rings === undefined) return []
    const latest = rings.latest.all()
    const fromMs = latest[0]?.atMs ?? Number.POSITIVE_INFINITY
    return [...rings.day.all().filter(({ atMs }) => atMs < fromMs), ...latest]
  }

  /** The last two samples of a subject, by which its rate is known. */
  lastTwo(subject: string): readonly TrafficSample[] {
    return this.#subjects.get(subject)?.latest.all().slice(-2) ?? []
  }

  #forget(nowMs: number): void {
    for (const [subject, { latest }] of this.#subjects) {
      if (nowMs - (latest.last()?.atMs ?? 0) > FORGOTTEN_MS) this.#subjects.delete(subject)
    }
  }
}

/** Samples in one array; the newest takes the place of the oldest. */
class Ring {
  readonly #numbers: Float64Array
  readonly #capacity: number
  #next = 0
  #count = 0

  constructor(capacity: number) {
    this.#capacity = capacity
    this.#numbers = new Float64Array(capacity * FIELDS.length)
  }

  add(sample: TrafficSample): void {
    const start = this.#next * FIELDS.length
    for (const [offset, field] of FIELDS.entries()) this.#numbers[start + offset] = sample[field]
    this.#next = (this.#next + 1) % this.#capacity
    this.#count = Math.min(this.#count + 1, this.#capacity)
  }

  last(): TrafficSample | undefined {
    return this.#count === 0 ? undefined : this.#at(this.#next - 1 + this.#capacity)
  }

  all(): readonly TrafficSample[] {
    const first = this.#next - this.#count + this.#capacity
    return Array.from({ length: this.#count }, (_none, index) => this.#at(first + index))
  }

  #at(position: number): TrafficSample {
    const start = (position % this.#capacity) * FIELDS.length
    const read = (offset: number): number => this.#numbers[start + offset] ?? 0
    return {
      atMs: read(0),
      inboundBytes: read(1),
      outboundBytes: read(2),
      inboundPackets: read(3),
      outboundPackets: read(4),
      dropped: read(5),
      errors: read(6),
    }
  }
}
