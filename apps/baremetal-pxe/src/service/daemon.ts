import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { run, systemClock, toPurlinError } from '@purlin/base'
import {
  bareMetalKinds,
  bareMetalOperations,
  type ContentStatus,
  type NewEvent,
  type Task,
} from '@purlin/schema'
import {
  Alerts,
  buildApi,
  Changes,
  ConditionTimes,
  EventTeller,
  followCatalogue,
  IdempotencyLog,
  listen,
  openLog,
  openNotifier,
  openTokens,
  TaskFollower,
  Turns,
} from '@purlin/service'
import { createEventLog, createTaskLog, openSqliteStore } from '@purlin/store'
import type { Logger } from 'pino'
import { type Beside, createAdmission, servedByHosts } from '../admit/admission.ts'
import { type DaemonGrounds, operationHandlers, resourceHandlers } from '../api/handlers.ts'
import { type Configuration, deadlinesOf } from '../config/config.ts'
import { startConductor } from '../life/index.ts'
import { type ContentKind, createContentStore } from '../media/index.ts'
import { openMonitoring } from '../monitoring/index.ts'
import { openKey } from '../secrets/key-file.ts'
import { ManifestFiles } from '../secrets/manifest-files.ts'
import type { DaemonView } from '../status/daemon-view.ts'
import { standingOf } from '../status/standing.ts'
import { openAuthority } from './authority.ts'
import { Bmcs } from './bmcs.ts'
import { resourceEvent, taskEvent, tellNetwork, tellNotice } from './events.ts'
import { Installations } from './installations.ts'
import { openMetrics } from './metrics.ts'
import { Networks, ownAddresses } from './networks.ts'
import { makePass, NO_FINDINGS, type PassFindings, wantedContents } from './pass.ts'
import { NewestReports } from './reports.ts'
import { tellSilence } from './silence.ts'
import { verifyAgain } from './verify-again.ts'
import { VERSION } from './version.ts'

/** A full erasure of the largest disks takes two days. */
const TASK_DEADLINE_MS = 7 * 24 * 3_600_000
const KEPT_EVENTS = 10_000
const KEPT_TASKS = 1_000
const TEND_EVERY_MS = 15_000
const TRIM_EVERY_ROUNDS = 4
const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Runs the daemon until it is told to stop; chassis go on as they are, before and after. Answers
 *  the exit code. Errors: PUR_AGENT_BUSY, PUR_STORE_*, PUR_SECRET_KEY. */
export async function serve(configuration: Configuration): Promise<number> {
  const log = openLog(configuration.log.level, process.env.JOURNAL_STREAM !== undefined)
  const stopping = new AbortController()
  const stopped = untilStopped(log)
  const daemon = await startDaemon(configuration, log, stopping.signal).catch((thrown) => {
    stopping.abort()
    throw thrown
  })
  const ending = await Promise.race([stopped, daemon.broken])
  log.info(ending, 'stopping; chassis stay as they are')
  stopping.abort()
  await daemon.close()
  return ending.reason === 'signal' ? 0 : 1
}

/** Why the daemon ends. */
interface Ending {
  readonly reason: string
}

interface RunningDaemon {
  /** Resolves when it cannot go on. */
  readonly broken: Promise<Ending>
  close(): Promise<void>
}

async function startDaemon(
  configuration: Configuration,
  log: Logger,
  signal: AbortSignal,
): Promise<RunningDaemon> {
  const clock = systemClock
  const startedAtMs = clock.monotonicMs()
  const state = configuration.state.folder
  const runFolder = configuration.run.folder
  const folders = {
    bmc: join(runFolder, 'bmc'),
    boot: join(runFolder, 'boot'),
    consoles: join(state, 'consoles'),
  }
  await mkdir(state, { recursive: true, mode: 0o700 })
  // dnsmasq walks through them as a user of its own.
  for (const folder of [runFolder, folders.boot]) {
    await mkdir(folder, { recursive: true, mode: 0o711 })
  }
  for (const folder of [folders.bmc, folders.consoles]) {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  }
  const store = await openSqliteStore({ file: join(state, 'state.db'), clock })
  const files = new ManifestFiles(store, await openKey(join(state, 'secrets.key')))
  const events = createEventLog(store, clock)
  const tasks = createTaskLog(store, clock)
  const trouble = (what: string, thrown: unknown): void => {
    const { code, message } = toPurlinError(thrown)
    log.warn({ code }, `${what}: ${message}`)
  }
  const teller = new EventTeller(events, clock, (thrown) => trouble('events are lost', thrown))
  const tell = (event: NewEvent): void => {
    log[event.severity === 'notice' ? 'info' : 'warn']({ event }, event.message)
    teller.tell({ ...event, host: configuration.host.name })
  }
  const tokens = openTokens(store, clock, signal, (thrown) => trouble('tokens', thrown))
  const catalogue = await followCatalogue({ store, clock, signal })
  const current = () => catalogue.current()
  const metrics = openMetrics()
  const alerts = new Alerts(clock, tell)
  const authority = await openAuthority(join(state, 'tls'), { clock, run })
  const monitoring = await openMonitoring({
    folder: join(state, 'monitoring'),
    packageFolders: [configuration.monitoring.packages, join(state, 'bm-agent')],
    authority: async () => authority.certificate,
    warn: (message) => log.warn(message),
    clock,
  })

  const listeners = new Set<() => void>()
  const moved = (): void => {
    for (const listener of listeners) listener()
  }
  let findings: PassFindings = NO_FINDINGS
  const passes = new Turns(async () => {
    try {
      findings = await makePass({
        store,
        catalogue: current,
        lives: conductor,
        content,
        contentOf,
        networks: (wanted) => networks.want(wanted),
        ownAddresses: () => ownAddresses(run),
        enrolUntilMs: (network) => networks.enrolUntilMs(network),
        onReleased: (instance) => monitoring.forget(instance),
        onTrouble: trouble,
      })
    } catch (thrown) {
      trouble('a pass was not made', thrown)
    }
    moved()
  })
  const content = await createContentStore({
    folder: join(state, 'content'),
    clock,
    run,
    changed: () => void passes.ask(),
  })
  // A resource that has only just come is known to its store after the next pass.
  const contentOf = (kind: ContentKind, name: string): ContentStatus => {
    try {
      return content.status(kind, name)
    } catch (thrown) {
      if (toPurlinError(thrown).code !== 'PUR_RESOURCE_MISSING') throw thrown
      return { state: 'absent', bytes: 0, sinceMs: clock.nowMs() }
    }
  }
  // Lives go on at once and ask for their media.
  content.want(wantedContents(current()))
  const { leastGapMs, commandTimeoutSeconds } = configuration.bmc
  const bmcs = new Bmcs({
    ...{ clock, run, files, catalogue: current, folder: folders.bmc, leastGapMs },
    commandTimeoutMs: commandTimeoutSeconds * 1000,
  })
  const installations = new Installations({
    files,
    catalogue: current,
    reportOf: (chassis) => newestReport(chassis),
    imageSha256: (image) => contentOf('Image', image).sha256,
  })
  // Lives that move while they are read are looked at with all others, once everything stands.
  let attended = false
  const conductor = await startConductor({
    ...{ store, clock, run, tell },
    bmcOf: (chassis) => bmcs.of(chassis),
    consoleFolder: folders.consoles,
    media: content,
    inputsOf: (instance) => installations.inputsOf(instance),
    agentScript: (of, serverUrl) => monitoring.agentScript(of, serverUrl),
    agentAvailable: async () => (await monitoring.packages()).size > 0,
    raise: (cause) => alerts.raise(cause),
    clear: (subject, code) => alerts.clear(subject, code),
    changed: (chassis) => {
      if (!attended) return
      void reports.look(chassis)
      void passes.ask()
    },
    onTrouble: (chassis, thrown) => trouble(`chassis ${chassis}`, thrown),
    deadlines: deadlinesOf(configuration),
    consoles: configuration.discovery.consoles,
    powerPollMs: configuration.power.pollSeconds * 1000,
  })
  const newestReport = async (chassis: string) =>
    conductor.lifeOf(chassis)?.reportId === undefined
      ? undefined
      : await conductor.reportOf(chassis, 'latest')
  const reports = new NewestReports(conductor, (chassis, thrown) => trouble(chassis, thrown))
  const systemFiles = new Map([
    ['kernel', join(configuration.discovery.folder, 'vmlinuz')],
    ['initrd', join(configuration.discovery.folder, 'initrd.img')],
    ['ca.cpio', authority.archive],
  ])
  let packages: ReadonlyMap<string, string> = await monitoring.packages()
  const networks = await Networks.open({
    ...{ clock, run, store, authority, folder: folders.boot, settings: configuration.boot },
    desk: {
      onBoot: (request) => conductor.desk.onBoot(request),
      grantOf: (sha256) => conductor.desk.grantOf(sha256),
      fileOf: (grant, name, reached) => conductor.desk.fileOf(grant, name, reached),
      spendFile: (grant, name) => conductor.desk.spendFile(grant, name),
      onEvent: (grant, step, message) => conductor.desk.onEvent(grant, step, message),
      onReport: (grant, report) => conductor.desk.onReport(grant, report),
      ordersOf: (grant, until, reached) => conductor.desk.ordersOf(grant, until, reached),
      mayRead: (address, tree) => conductor.desk.mayRead(address, tree),
      onMetrics: (bearer, body) => monitoring.accept(bearer, body),
    },
    systemFile: (name) => systemFiles.get(name) ?? packages.get(name),
    onNotice: (network, notice) => tellNotice({ network, notice, alerts, tell, metrics }),
    onAccess: (network, line) => log.debug({ network }, line),
    changed: (network, standing) => {
      tellNetwork({ network, standing, alerts })
      moved()
    },
  })
  catalogue.onChange(() => void passes.ask())

  const view: DaemonView = {
    lifeOf: (chassis) => conductor.lifeOf(chassis),
    networkOf: (network) => networks.standingOf(network),
    contentOf,
    get releases() {
      return findings.releases
    },
    refusalOf: (instance) => findings.refusals.get(instance),
  }
  const onEnd = (task: Task): void => {
    const seconds = ((task.endedAtMs ?? 0) - task.createdAtMs) / 1000
    metrics.taskSeconds.observe({ verb: task.verb, state: task.state }, seconds)
    tell(taskEvent(task))
  }
  const host = configuration.host.name
  const follower = new TaskFollower({
    ...{ store, tasks, host, clock, onEnd },
    standingOf: (targets) => standingOf(targets, current(), view),
    subscribe: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    isPresent: (name) => name === host,
    deadlineMs: TASK_DEADLINE_MS,
  })
  const changes = new Changes<Beside>({
    ...{ store, tasks, catalogue, clock, host },
    admission: createAdmission({
      ...{ clock, store, files, ownAddresses: () => ownAddresses(run) },
      lifeOf: (chassis) => conductor.lifeOf(chassis),
      reportOf: async (chassis) => (await newestReport(chassis))?.report,
      imageSha256: (image) => contentOf('Image', image).sha256,
      accountProblem: (chassis, account) => bmcs.accountProblem(chassis, account),
    }),
    vet: async () => undefined,
    onChange: (change, task) => {
      for (const each of change.changes) tell(resourceEvent(each))
      const begin = async (): Promise<void> => {
        await verifyAgain(change, current(), conductor)
        // Only then is what stands judged: what failed before may be under way again.
        await passes.ask()
        await follower.follow(task)
      }
      begin().catch((thrown) => trouble(`task ${task.id} is not followed`, thrown))
    },
  })
  const grounds: DaemonGrounds = {
    ...{ configuration, version: VERSION, clock, store, events, tasks, tokens, alerts, catalogue },
    ...{ changes, follower, conductor, bmcs, content, monitoring, networks, installations },
    ...{ metrics, view, reports, startedAtMs, times: new ConditionTimes() },
    idempotency: new IdempotencyLog(store, clock),
    addressOf: (chassis) => findings.addresses.get(chassis),
    passed: () => passes.ask(),
  }
  const api = await buildApi({
    title: 'Purlin bare metal',
    version: VERSION,
    tokens,
    operations: bareMetalOperations,
    handlers: operationHandlers(grounds),
    kinds: bareMetalKinds,
    elsewhere: servedByHosts,
    resources: resourceHandlers(grounds),
    logger: log,
  })
  attended = true
  await Promise.all(conductor.lives().map(({ chassis }) => reports.look(chassis)))
  await passes.ask()
  const listener = await listen(api, {
    socket: configuration.api.socket,
    group: 'purlin',
    tcpPort: configuration.api.tcpPort,
  })
  const broken = Promise.withResolvers<Ending>()
  catalogue.ended.catch((thrown) => {
    broken.resolve({ reason: `the store’s watch broke: ${toPurlinError(thrown).message}` })
  })
  const notifier = openNotifier(run, process.env)
  notifier.watch(signal)
  await notifier.ready(`serving ${configuration.api.socket}`)
  log.info({ version: VERSION, readyMs: Math.round(clock.monotonicMs() - startedAtMs) }, 'ready')
  await follower.resume()
  void tendForever()
  return {
    broken: broken.promise,
    close: async () => {
      await notifier.stopping()
      follower.leaveAll()
      passes.stop()
      await listener.close()
      await conductor.stop()
      await networks.close()
      await content.close()
      await bmcs.close()
      await monitoring.close()
      await teller.flushed()
      await store.close()
    },
  }

  /** What has to be looked after beside changes: silent agents, new packages, what has grown
   *  old. */
  async function tendForever(): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      try {
        packages = await monitoring.packages()
        tellSilence({ monitoring, catalogue: current(), view, alerts, nowMs: clock.nowMs() })
        await bmcs.keepOnly(new Set(conductor.lives().map(({ chassis }) => chassis)))
        await passes.ask()
        if (round % TRIM_EVERY_ROUNDS === 0) {
          await events.trim(KEPT_EVENTS)
          await tasks.trim(KEPT_TASKS)
          await follower.trim()
          await grounds.idempotency.trim()
        }
      } catch (thrown) {
        trouble('the daemon’s round was not made', thrown)
      }
      await clock.sleep(TEND_EVERY_MS, signal).catch(() => undefined)
    }
  }
}

async function untilStopped(log: Logger): Promise<Ending> {
  return await new Promise((resolve) => {
    for (const name of STOP_SIGNALS) {
      process.once(name, () => {
        log.info({ signal: name }, 'asked to stop')
        resolve({ reason: 'signal' })
      })
    }
  })
}
