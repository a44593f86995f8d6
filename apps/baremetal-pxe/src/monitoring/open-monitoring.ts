import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, PurlinError, systemClock, toPurlinError } from '@purlin/base'
import { newToken, tokenSha256 } from '@purlin/boot-service'
import type { InstanceMetrics, InstanceMetricsHistory, MetricsRange } from '@purlin/schema'
import { FrameHistory } from '@purlin/service'
import { findPackages, sha256Of } from './agent/packages.ts'
import { agentScript } from './agent/script.ts'
import { silenceMs } from './condition.ts'
import { type Enrolled, Enrolment } from './enrolment.ts'
import { exportMetrics } from './export.ts'
import { expositionLimits, labelsOf, metricOf, parseExposition } from './exposition/parse.ts'
import { KeyPool } from './history/key-pool.ts'
import { isWanted, jsonValue, rangeOf, seriesOf } from './history/range.ts'
import type { InstanceReporting, MonitoredInstance, Monitoring, PushAnswer } from './monitoring.ts'
import { Watched } from './watched.ts'

/** Where monitoring lives and what it needs of others. */
export interface MonitoringOptions {
  /** A folder of its own, made where it is not there. */
  readonly folder: string
  /** Where packages of the agent lie; later folders win. */
  readonly packageFolders: readonly string[]
  /** The certificate of the authority of the node server, PEM. */
  readonly authority: () => Promise<string>
  /** Told once for each trouble that a caller does not see, such as a full disk. */
  readonly warn: (message: string) => void
  readonly clock?: Clock
}

/** Agents push each 5 s or slower; whoever is quicker is told to wait. */
const LEAST_INTERVAL_MS = 4000

/** Opens monitoring with what was there before. Errors: those of the file system. */
export async function openMonitoring(options: MonitoringOptions): Promise<Monitoring> {
  const histories = join(options.folder, 'history')
  await mkdir(histories, { recursive: true, mode: 0o700 })
  const enrolment = await Enrolment.open(join(options.folder, 'instances.json'))
  const watched = new Map<string, Watched>()
  for (const name of await readdir(histories)) {
    // What a crash left between the end of a token and that of its history.
    if (enrolment.of(name) === undefined) await rm(join(histories, name), { recursive: true })
  }
  for (const { instance } of enrolment.all()) {
    watched.set(instance, await openWatched(histories, instance))
  }
  return new OpenMonitoring(options, histories, enrolment, watched)
}

async function openWatched(histories: string, instance: string): Promise<Watched> {
  const { history, lastMs } = await FrameHistory.open(join(histories, instance))
  return new Watched(history, lastMs)
}

class OpenMonitoring implements Monitoring {
  readonly #options: MonitoringOptions
  readonly #clock: Clock
  readonly #histories: string
  readonly #enrolment: Enrolment
  readonly #watched: Map<string, Watched>
  readonly #openedMs: number
  readonly #pool = new KeyPool()
  readonly #taking = new Set<Promise<PushAnswer>>()
  #closed = false

  constructor(
    options: MonitoringOptions,
    histories: string,
    enrolment: Enrolment,
    watched: Map<string, Watched>,
  ) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#histories = histories
    this.#enrolment = enrolment
    this.#watched = watched
    this.#openedMs = this.#clock.nowMs()
  }

  async accept(bearer: string | undefined, body: Uint8Array): Promise<PushAnswer> {
    const entry = bearer === undefined ? undefined : this.#enrolment.byToken(tokenSha256(bearer))
    const watched = entry === undefined ? undefined : this.#watched.get(entry.instance)
    if (entry === undefined || watched === undefined) {
      return answer(401, 'this is no token of an instance that is watched')
    }
    if (this.#closed) return answer(503, 'the server ends')
    if (body.length > expositionLimits.bytes) {
      return answer(413, `more than ${expositionLimits.bytes} bytes`)
    }
    const sinceMs = this.#clock.nowMs() - (watched.lastPushMs ?? 0)
    if (watched.busy || (sinceMs >= 0 && sinceMs < LEAST_INTERVAL_MS)) {
      return answer(429, `the last push is less than ${LEAST_INTERVAL_MS} ms ago`)
    }
    const taking = this.#take(entry, watched, body)
    this.#taking.add(taking)
    return await taking.finally(() => this.#taking.delete(taking))
  }

  async #take({ instance }: Enrolled, watched: Watched, body: Uint8Array): Promise<PushAnswer> {
    const parsed = parseExposition(body)
    if (!parsed.ok) return answer(400, `line ${parsed.error.line}: ${parsed.error.reason}`)
    watched.busy = true
    try {
      await watched.take(parsed.value, this.#pool, this.#clock.nowMs())
    } catch (thrown) {
      const { message } = toPurlinError(thrown)
      this.#options.warn(`the history of ${instance} has a gap: ${message}`)
    } finally {
      watched.busy = false
    }
    return answer(204, '')
  }

  async agentScript(of: MonitoredInstance, serverUrl: string): Promise<string> {
    const found = await findPackages(this.#options.packageFolders)
    if (found.length === 0) throw noPackages(this.#options.packageFolders)
    const packages = await Promise.all(
      found.map(async (one) => ({ ...one, sha256: await sha256Of(one.path) })),
    )
    const authority = await this.#options.authority()
    const token = newToken()
    const { instance, chassis } = of
    if (!this.#watched.has(instance)) {
      this.#watched.set(instance, await openWatched(this.#histories, instance))
    }
    const enrolledAtMs = this.#clock.nowMs()
    const entry = { instance, chassis, tokenSha256: tokenSha256(token), enrolledAtMs }
    await this.#enrolment.put(entry)
    return agentScript({ serverUrl, authority, token, packages })
  }

  async packages(): Promise<ReadonlyMap<string, string>> {
    const packages = await findPackages(this.#options.packageFolders)
    return new Map(packages.map(({ name, path }) => [name, path]))
  }

  async forget(instance: string): Promise<void> {
    await this.#enrolment.remove(instance)
    const watched = this.#watched.get(instance)
    this.#watched.delete(instance)
    // A push that is being taken in would bring the folder back.
    await Promise.all(this.#taking)
    await watched?.history.remove()
  }

  async latest(instance: string, metric?: string): Promise<InstanceMetrics> {
    const [head, watched] = this.#of(instance)
    const { keys, values } = await watched.latest()
    const series = keys.flatMap((key, index) =>
      isWanted(key, metric)
        ? [
            {
              metric: metricOf(key),
              labels: labelsOf(key),
              value: jsonValue(values[index] ?? Number.NaN),
            },
          ]
        : [],
    )
    return { ...head, series }
  }

  async range(instance: string, wanted: MetricsRange): Promise<InstanceMetricsHistory> {
    const [head, watched] = this.#of(instance)
    const range = rangeOf(wanted, this.#clock.nowMs())
    const { fromMs, toMs, stepMs } = range
    const series = await seriesOf(watched.history.frames(fromMs, toMs), range)
    return { ...head, fromMs, toMs, stepMs, series }
  }

  reporting(): readonly InstanceReporting[] {
    const nowMs = this.#clock.nowMs()
    return [...this.#enrolment.all()].flatMap((entry) => {
      const watched = this.#watched.get(entry.instance)
      return watched === undefined ? [] : [this.#reportingOf(entry, watched, nowMs)]
    })
  }

  exposition(): Iterable<string> {
    const exported = this.reporting().flatMap((of) => {
      const newest = of.reporting ? this.#watched.get(of.instance)?.exported(of) : undefined
      return newest === undefined ? [] : [newest]
    })
    return exportMetrics(exported)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#taking)
  }

  /** While we were not there nobody could push, so our own start counts as a push of everybody who
   *  has ever pushed. */
  #reportingOf(
    { instance, chassis, enrolledAtMs }: Enrolled,
    { lastPushMs }: Watched,
    nowMs: number,
  ): InstanceReporting {
    if (lastPushMs === undefined) {
      return { instance, chassis, reporting: false, lastPushMs, sinceMs: enrolledAtMs }
    }
    const heardMs = Math.max(lastPushMs, this.#openedMs)
    const reporting = nowMs - heardMs <= silenceMs
    const sinceMs = reporting ? enrolledAtMs : heardMs + silenceMs
    return { instance, chassis, reporting, lastPushMs, sinceMs }
  }

  #of(instance: string): [Omit<InstanceMetrics, 'series'>, Watched] {
    const entry = this.#enrolment.of(instance)
    const watched = this.#watched.get(instance)
    if (entry === undefined || watched === undefined) {
      throw new PurlinError('PUR_MONITORING_UNKNOWN', {
        message: `${instance}: no instance by that name was installed with monitoring; its template must say monitoring: true`,
        context: { instance },
      })
    }
    const { lastPushMs, ...rest } = this.#reportingOf(entry, watched, this.#clock.nowMs())
    const { chassis, reporting } = rest
    const last = lastPushMs === undefined ? {} : { lastPushMs }
    return [{ instance, chassis, reporting, ...last }, watched]
  }
}

function answer(status: PushAnswer['status'], message: string): PushAnswer {
  return { status, message }
}

function noPackages(folders: readonly string[]): PurlinError {
  return new PurlinError('PUR_MONITORING_PACKAGE', {
    message: `no package of purlin-bm-agent in ${folders.join(', ')}; put its .deb and .rpm there`,
    context: { folders },
  })
}
