import { mkdir } from 'node:fs/promises'
import { run, systemClock, toPurlinError } from '@purlin/base'
import { createNetfilterDriver } from '@purlin/netfilter'
import { startReconciler } from '@purlin/reconcile'
import { kindNames, type NewEvent, type Task, taskEnded } from '@purlin/schema'
import { createEventLog, createTaskLog, openSqliteStore } from '@purlin/store'
import { createGuestAgent, createNativeLibvirt, createVirtDriver } from '@purlin/virt'
import { createVswitchDriver } from '@purlin/vswitch'
import type { Logger } from 'pino'
import { openTokens } from '../api/auth.ts'
import { IdempotencyLog } from '../api/idempotency.ts'
import { buildApi, listen } from '../api/server.ts'
import type { Configuration } from '../config/config.ts'
import { type Catalogue, followCatalogue } from '../resources/catalogue.ts'
import { Alerts } from '../status/alerts.ts'
import { ConditionHistory } from '../status/conditions.ts'
import { HostState } from '../status/host-state.ts'
import { Changes } from '../work/changes.ts'
import { EventTeller } from '../work/event-teller.ts'
import { TaskFollower } from '../work/task-follower.ts'
import { DesiredState } from './desired-state.ts'
import { flowEvents } from './flow-events.ts'
import { lanesOf } from './lanes.ts'
import { openLog } from './log.ts'
import { type AgentMetrics, openMetrics } from './metrics.ts'
import { openNotifier } from './notify.ts'
import { type OperationGrounds, operationHandlers, resourceHandlers } from './operations.ts'
import { watchPasses } from './passes.ts'
import { restoreFileOf } from './restore.ts'
import { VERSION } from './version.ts'

const TASK_DEADLINE_MS = 120_000
const MAX_BACKOFF_MS = 30_000
const KEPT_EVENTS = 10_000
const KEPT_TASKS = 1_000
const TRIM_EVERY_MS = 60_000
const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Runs the agent until it is told to stop; the data plane stays as it is, before and after.
 *  Answers the exit code. Errors: PUR_AGENT_BUSY, PUR_STORE_*, PUR_CONFIG_INVALID. */
export async function serve(configuration: Configuration): Promise<number> {
  const log = openLog(configuration.log.level, process.env.JOURNAL_STREAM !== undefined)
  const stopping = new AbortController()
  const stopped = untilStopped(stopping, log)
  const agent = await startAgent(configuration, log, stopping.signal).catch((thrown) => {
    stopping.abort()
    throw thrown
  })
  const reason = await Promise.race([stopped, agent.broken])
  log.info({ reason }, 'stopping; machines, rules and switch stay as they are')
  stopping.abort()
  await agent.close()
  return reason === 'signal' ? 0 : 1
}

interface RunningAgent {
  /** Resolves with a reason when the agent cannot go on. */
  readonly broken: Promise<string>
  close(): Promise<void>
}

async function startAgent(
  configuration: Configuration,
  log: Logger,
  signal: AbortSignal,
): Promise<RunningAgent> {
  const clock = systemClock
  const startedAtMs = clock.monotonicMs()
  await mkdir(configuration.state.folder, { recursive: true, mode: 0o700 })
  // dnsmasq walks through it as a user of its own.
  await mkdir(configuration.network.runFolder, { recursive: true, mode: 0o711 })
  await mkdir(configuration.machines.logFolder, { recursive: true, mode: 0o750 })
  const store = await openSqliteStore({ file: `${configuration.state.folder}/state.db`, clock })
  const events = createEventLog(store, clock)
  const tasks = createTaskLog(store, clock)
  const teller = new EventTeller(events, clock, (thrown) =>
    log.error({ err: thrown }, 'events were not written'),
  )
  const tell = (event: NewEvent): void => {
    log[event.severity === 'notice' ? 'info' : 'warn']({ event }, event.message)
    teller.tell(event)
  }
  const [tokens, catalogue] = await Promise.all([
    openTokens(store, clock),
    followCatalogue(store, signal),
  ])
  const metrics = openMetrics()
  const alerts = new Alerts(clock, tell)
  const desired = await DesiredState.open(configuration, catalogue.current(), run)
  const state = new HostState((lane) => ({
    laneRevision: desired.of(lane).revision,
    revision: desired.revision(),
  }))
  const libvirt = createNativeLibvirt({ uri: configuration.libvirt.uri, clock })
  const vswitch = createVswitchDriver({
    run,
    clock,
    databaseSocket: configuration.openvswitch.databaseSocket,
    datapath: configuration.openvswitch.datapath,
    runFolder: configuration.network.runFolder,
  })
  const netfilter = createNetfilterDriver({
    clock,
    restoreFile: restoreFileOf(configuration),
    onEnded: (count) => tell(endedEvent(count)),
  })
  const drivers = { netfilter, vswitch, virt: createVirtDriver({ libvirt, clock }) }
  const passes = watchPasses({ state, alerts, metrics, tell, facts: () => reconciler.facts() })
  const reconciler = startReconciler({
    lanes: lanesOf(drivers, desired, passes),
    clock,
    resyncMs: configuration.reconcile.resyncSeconds * 1000,
    drift: configuration.reconcile.drift,
    maxBackoffMs: MAX_BACKOFF_MS,
    log: ({ level, message, ...rest }) => log[level === 'warning' ? 'warn' : level](rest, message),
  })
  catalogue.onChange((current) => {
    countResources(metrics, current)
    const changed = desired.advance(current)
    state.advance()
    for (const lane of changed) reconciler.wake('desired state changed', lane)
  })
  countResources(metrics, catalogue.current())
  const onEnd = (task: Task): void => {
    const seconds = ((task.endedAtMs ?? 0) - task.createdAtMs) / 1000
    metrics.taskSeconds.observe({ verb: task.verb, state: task.state }, seconds)
    tell(taskEvent(task))
  }
  const follower = new TaskFollower({
    store,
    tasks,
    catalogue,
    state,
    clock,
    deadlineMs: TASK_DEADLINE_MS,
    onEnd,
  })
  const idempotency = new IdempotencyLog(store, clock)
  const changes = new Changes({
    store,
    tasks,
    catalogue,
    clock,
    images: (wanted) => desired.imageNames(wanted),
    onChange: (change, task) => {
      follower
        .follow(task)
        .catch((thrown) => log.error({ err: thrown }, `task ${task.id} is not followed`))
      for (const { action, kind, name } of change.changes) {
        const message = `${kind} ${name}: ${action}d`
        tell({ type: `resource.${action}d`, severity: 'notice', subject: { kind, name }, message })
      }
    },
  })
  await follower.resume()
  const grounds: OperationGrounds = {
    configuration,
    version: VERSION,
    clock,
    run,
    store,
    events,
    tasks,
    tokens,
    catalogue,
    state,
    conditions: new ConditionHistory(),
    alerts,
    changes,
    follower,
    idempotency,
    reconciler,
    desired,
    guests: createGuestAgent({ libvirt, clock }),
    netfilter,
    metrics,
    startedAtMs,
  }
  const api = await buildApi({
    version: VERSION,
    tokens,
    operations: operationHandlers(grounds),
    resources: resourceHandlers(grounds),
    logger: log,
  })
  const listener = await listen(api, configuration.api.socket, configuration.api.tcpPort, 'purlin')
  const notifier = openNotifier(run, process.env)
  notifier.watch(signal)
  await notifier.ready(`serving ${configuration.api.socket}`)
  log.info({ version: VERSION, readyMs: Math.round(clock.monotonicMs() - startedAtMs) }, 'ready')
  void trimForever(signal)
  netfilter
    .watchLogs(() => desired.of('netfilter').value, flowEvents(clock, tell), signal)
    .catch((thrown) => log.warn({ err: thrown }, 'flows that rules log are not told of'))
  return {
    broken: catalogue.ended.then(
      () => new Promise<string>(() => {}),
      (thrown) => `the store’s watch broke: ${toPurlinError(thrown).message}`,
    ),
    close: async () => {
      await notifier.stopping()
      follower.leaveAll()
      await listener.close()
      await reconciler.stop()
      libvirt.close()
      vswitch.close()
      await teller.flushed()
      await store.close()
    },
  }

  async function trimForever(until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      await clock.sleep(TRIM_EVERY_MS, until).catch(() => undefined)
      if (until.aborted) return
      await Promise.all([
        events.trim(KEPT_EVENTS),
        tasks.trim(KEPT_TASKS),
        follower.trim(),
        idempotency.trim(),
      ]).catch((thrown) => log.warn({ err: thrown }, 'old events and tasks were not trimmed'))
    }
  }
}

function countResources(metrics: AgentMetrics, catalogue: Catalogue): void {
  metrics.storeRevision.set(catalogue.revision)
  for (const kind of kindNames) metrics.resources.set({ kind }, catalogue.list(kind).length)
}

function endedEvent(count: number): NewEvent {
  const message = `${count} tracked connections ended that the new rules refuse`
  const subject = { kind: 'Lane', name: 'netfilter' }
  return { type: 'connections.ended', severity: 'notice', subject, message }
}

function taskEvent(task: Task): NewEvent {
  const what = `${task.verb} ${task.targets.map(({ kind, name }) => `${kind} ${name}`).join(', ')}`
  const failed = task.state === 'failed'
  return {
    type: `task.${task.state}`,
    severity: failed ? 'warning' : 'notice',
    subject: { kind: 'Task', name: task.id },
    message: `${what}: ${failed ? task.problem?.detail : taskEnded(task) ? task.state : 'running'}`,
  }
}

async function untilStopped(stopping: AbortController, log: Logger): Promise<string> {
  return await new Promise((resolve) => {
    for (const name of STOP_SIGNALS) {
      process.once(name, () => {
        log.info({ signal: name }, 'asked to stop')
        resolve('signal')
      })
    }
    stopping.signal.addEventListener('abort', () => resolve('signal'), { once: true })
  })
}
