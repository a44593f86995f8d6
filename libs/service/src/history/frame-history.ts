import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Frame, readSegment, SegmentWriter } from './segment.ts'

/** How much is kept of one source. */
export interface HistoryLimits {
  readonly ageMs: number
  readonly segmentMs: number
  readonly segmentBytes: number
  readonly bytes: number
  readonly segments: number
}

/** A day of a machine at four frames a minute is about 1 MiB; the bound is for who tells all that
 *  he may. */
export const historyLimits: HistoryLimits = {
  ageMs: 24 * 60 * 60_000,
  segmentMs: 60 * 60_000,
  segmentBytes: 4 * 1024 * 1024,
  bytes: 64 * 1024 * 1024,
  segments: 512,
}

interface Segment {
  /** Before this time it holds nothing. */
  readonly startMs: number
  readonly path: string
  sizeBytes: number
}

/** A clock that was put back by less than this is followed; what lies further ahead is nobody's. */
const CLOCK_STEP_MS = 60 * 60_000

const NAME = /^([0-9]{1,15})\.frames$/

/** A day of one source's frames, in files of about an hour. What was added is in the hands of the
 *  kernel: the end of this process loses nothing, the end of the machine what the kernel had not
 *  yet written. */
export class FrameHistory {
  readonly #folder: string
  readonly #limits: HistoryLimits
  /** The oldest first. */
  readonly #segments: Segment[]
  /** The file that is written; none after an error, or in a process that has not written yet. */
  #writer: SegmentWriter | undefined

  private constructor(folder: string, segments: Segment[], limits: HistoryLimits) {
    this.#folder = folder
    this.#limits = limits
    this.#segments = segments
  }

  /** Opens what is in the folder; it need not be there. Errors: those of the file system. */
  static async open(
    folder: string,
    limits = historyLimits,
  ): Promise<{ history: FrameHistory; lastMs: number | undefined }> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const segments: Segment[] = []
    let lastMs: number | undefined
    for (const name of await readdir(folder)) {
      const startMs = Number(NAME.exec(name)?.[1] ?? Number.NaN)
      if (Number.isNaN(startMs)) continue
      const path = join(folder, name)
      const { size, mtimeMs } = await stat(path)
      segments.push({ startMs, path, sizeBytes: size })
      lastMs = Math.max(lastMs ?? 0, Math.floor(mtimeMs))
    }
    segments.sort((a, b) => a.startMs - b.startMs)
    return { history: new FrameHistory(folder, segments, limits), lastMs }
  }

  /** Adds a frame. Calls must not overlap. Errors: those of the file system; the next call begins
   *  another file then, since this one may end in half a record. */
  async add(timeMs: number, keys: readonly string[], values: Float64Array): Promise<void> {
    const segment = await this.#segmentFor(timeMs)
    const writer = this.#writer ?? new SegmentWriter()
    this.#writer = undefined
    const records = writer.records(timeMs, keys, values)
    await appendFile(segment.path, records, { mode: 0o600 })
    segment.sizeBytes += records.length
    this.#writer = writer
  }

  /** Frames from `fromMs` to `toMs`, the oldest first, as far as they can be read. */
  async *frames(fromMs: number, toMs: number): AsyncGenerator<Frame> {
    for (const [index, { startMs, path }] of [...this.#segments].entries()) {
      const nextMs = this.#segments[index + 1]?.startMs ?? Number.POSITIVE_INFINITY
      if (startMs > toMs + CLOCK_STEP_MS || nextMs < fromMs) continue
      for (const frame of readSegment(await readFile(path).catch(() => new Uint8Array()))) {
        if (frame.timeMs >= fromMs && frame.timeMs <= toMs) yield frame
      }
    }
  }

  /** What was added last, a copy. */
  async last(): Promise<Frame | undefined> {
    for (const { path } of this.#segments.toReversed()) {
      let last: Frame | undefined
      for (const frame of readSegment(await readFile(path))) last = frame
      if (last !== undefined) return { ...last, values: last.values.slice() }
    }
    return undefined
  }

  /** Bytes of its files. */
  sizeBytes(): number {
    return this.#segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** Takes all of it away. */
  async remove(): Promise<void> {
    this.#segments.length = 0
    this.#writer = undefined
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #segmentFor(timeMs: number): Promise<Segment> {
    const current = this.#segments.at(-1)
    if (current !== undefined && this.#writer !== undefined && !this.#isFull(current, timeMs)) {
      return current
    }
    this.#writer = undefined
    await this.#removeOld(timeMs)
    // A clock that was put back, or two files within a millisecond: names keep their order.
    const startMs = Math.max(timeMs, (this.#segments.at(-1)?.startMs ?? 0) + 1)
    const segment = { startMs, path: join(this.#folder, `${startMs}.frames`), sizeBytes: 0 }
    this.#segments.push(segment)
    return segment
  }

  async #removeOld(nowMs: number): Promise<void> {
    const { ageMs, bytes, segments, segmentBytes } = this.#limits
    for (let last = this.#segments.at(-1); last !== undefined; last = this.#segments.at(-1)) {
      if (last.startMs <= nowMs + CLOCK_STEP_MS) break
      await rm(last.path, { force: true })
      this.#segments.pop()
    }
    for (;;) {
      const [oldest, next] = this.#segments
      if (oldest === undefined) return
      const tooOld = (next?.startMs ?? nowMs) < nowMs - ageMs
      const tooMuch = this.#segments.length >= segments || this.sizeBytes() > bytes - segmentBytes
      if (!tooOld && !tooMuch) return
      await rm(oldest.path, { force: true })
      this.#segments.shift()
    }
  }

  #isFull({ startMs, sizeBytes }: Segment, timeMs: number): boolean {
    const { segmentMs, segmentBytes } = this.#limits
    return timeMs - startMs >= segmentMs || sizeBytes >= segmentBytes
  }
}
