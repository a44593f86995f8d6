import { mkdir } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { type Fact, run, systemClock, toPurlinError } from '@purlin/base'
import { hostTree } from '@purlin/hardware'
import { createNetfilterDriver } from '@purlin/netfilter'
import { startReconciler } from '@purlin/reconcile'
import { hostKinds, type NewEvent, operations, type Task } from '@purlin/schema'
import {
  Alerts,
  buildApi,
  type Catalogue,
  Changes,
  EventTeller,
  followCatalogue,
  IdempotencyLog,
  listen,
  openLog,
  openNotifier,
  openTokens,
  type StoredRecord,
  TaskFollower,
  type UpgradeHandler,
} from '@purlin/service'
import { CONTROL_SOCKET, createControlClient, createStorageDriver } from '@purlin/storage'
import { createEventLog, createTaskLog, MOVING } from '@purlin/store'
import {
  createGuestAgent,
  createMachineControl,
  createNativeLibvirt,
  createStillness,
  createVirtDriver,
  kernelBootId,
  MachineHolds,
} from '@purlin/virt'
import { createVswitchDriver, openProbe, recordTraffic } from '@purlin/vswitch'
import type { Logger } from 'pino'
import { type AdmitOptions, admitApply, admitDelete, imagesNamedBy } from '../admit/change.ts'
import { refuseLockedDisks } from '../admit/locked-disks.ts'
import { servedElsewhere } from '../admit/served-elsewhere.ts'
import { refuseUnprovenCaches } from '../admit/unproven-caches.ts'
import { listenForHosts, provenFingerprint } from '../api/fleet-listener.ts'
import type { Configuration } from '../config/config.ts'
import { openConsoles } from '../consoles/open-consoles.ts'
import type { FleetMembership } from '../fleet/membership.ts'
import { Presence } from '../fleet/presence.ts'
import { reachablePeers } from '../fleet/reachable.ts'
import { keepCertificate } from '../fleet/renewal.ts'
import { keepRevocations } from '../fleet/revocations.ts'
import { trimLeases } from '../lease/fence.ts'
import { leasedDriver } from '../lease/leased-driver.ts'
import { MachineLeases } from '../lease/machine-leases.ts'
import { isSnapshotTask } from '../machine-snapshots/keeper.ts'
import { keepSnapshots } from '../machine-snapshots/start.ts'
import { isActTask, MachineActs } from '../machines/acts.ts'
import { Arrivals } from '../move/arrivals.ts'
import { Fabric } from '../move/fabric.ts'
import { Mover } from '../move/mover.ts'
import { openPool } from '../pool/open-pool.ts'
import { ownCapacity } from '../pool/own-capacity.ts'
import { ResourceCache } from '../resources/cache.ts'
import { ConditionHistory } from '../status/conditions.ts'
import { FleetState } from '../status/fleet-state.ts'
import { HostState } from '../status/host-state.ts'
import { listCacheLocks } from '../storage/cache-locks.ts'
import { poolSizes, watchPools } from '../storage/watch-pools.ts'
import { trimTrash, withTrash } from '../trash/entry.ts'
import { standingOf } from '../work/target.ts'
import { endedEvent, taskEvent } from './agent-events.ts'
import { DesiredState } from './desired-state.ts'
import { flowEvents } from './flow-events.ts'
import { lanesOf } from './lanes.ts'
import { type AgentMetrics, openMetrics } from './metrics.ts'
import { openStore } from './open-store.ts'
import { type OperationGrounds, operationHandlers, resourceHandlers } from './operations.ts'
import { watchPasses } from './passes.ts'
import { restoreFileOf } from './restore.ts'
import { VERSION } from './version.ts'

const TASK_DEADLINE_MS = 120_000
const HOUR_MS = 3_600_000
const MAX_BACKOFF_MS = 30_000
const KEPT_EVENTS = 10_000
const KEPT_TASKS = 1_000
const TEND_EVERY_MS = 2_500
const ANSWER_MS = 200
const TRIM_EVERY_ROUNDS = 24
const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Runs the agent until it is told to stop; the data plane stays as it is, before and after.
 *  Answers the exit code. Errors: PUR_AGENT_BUSY, PUR_STORE_*, PUR_CONFIG_INVALID. */
export async function serve(configuration: Configuration): Promise<number> {
  const log = openLog(configuration.log.level, process.env.JOURNAL_STREAM !== undefined)
  const stopped = untilStopped(log)
  for (;;) {
    const stopping = new AbortController()
    const agent = await startAgent(configuration, log, stopping.signal).catch((thrown) => {
      stopping.abort()
      throw thrown
    })
    const ending = await Promise.race([stopped, agent.ending])
    log.info(ending, 'stopping; machines, rules and switch stay as they are')
    stopping.abort()
    await agent.close()
    if (ending.next !== 'start again') return ending.next === 'end well' ? 0 : 1
  }
}

/** Why an agent ends, and what comes then. */
interface Ending {
  readonly reason: string
  readonly next: 'end well' | 'end badly' | 'start again'
}

interface RunningAgent {
  /** Resolves when the agent cannot go on as it is. */
  readonly ending: Promise<Ending>
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
  // Who reaches the socket of a serial port is at the machine's keyboard.
  await mkdir(configuration.machines.runFolder, { recursive: true, mode: 0o700 })
  const opened = await openStore(configuration, clock)
  const { store, engine, membership } = opened
  const host = configuration.host.name
  const events = createEventLog(store, clock)
  const tasks = createTaskLog(store, clock)
  const teller = new EventTeller(events, clock, (thrown) =>
    log.error({ err: thrown }, 'events were not written'),
  )
  const tell = (event: NewEvent): void => {
    log[event.severity === 'notice' ? 'info' : 'warn']({ event }, event.message)
    teller.tell({ ...event, host })
  }
  const storeTrouble = (thrown: unknown): void =>
    log.error({ err: thrown }, 'a part of the store is not followed any more')
  const tokens = openTokens(store, clock, signal, storeTrouble)
  const cache = new ResourceCache(
    `${configuration.state.folder}/resources.json`,
    opened.source,
    (thrown) => log.warn({ err: thrown }, 'the copy of the resources was not written'),
  )
  const cached = engine === 'etcd' ? await cache.read() : undefined
  const catalogue = await followCatalogue({ store, clock, signal, cached })
  if (store.trouble() !== undefined) {
    log.warn(
      { revision: catalogue.current().revision },
      'the store is away: enforcing what was known last',
    )
  }
  const metrics = openMetrics()
  const alerts = new Alerts(clock, tell)
  const desired = await DesiredState.open(configuration, catalogue.current(), run)
  const state = new HostState((lane) => ({
    laneRevision: desired.of(lane).revision,
    revision: desired.revision(),
  }))
  const fleet = new FleetState(state, host, (record) => hostOf(record, catalogue.current()))
  const tree = hostTree()
  const capacity = await ownCapacity(tree, configuration)
  const presence =
    engine === 'sqlite'
      ? undefined
      : Presence.begin({
          store,
          clock,
          signal,
          host,
          version: VERSION,
          listen: listenAddress(configuration, membership),
          fingerprint: opened.fingerprint,
          ...{ state, capacity },
          onChange: (others) => fleet.see(others),
          onTrouble: (thrown) => log.error({ err: thrown }, 'this host is not known to the others'),
        })
  const places = (): AdmitOptions => {
    if (presence?.refused !== undefined) throw presence.refused
    const serves = {
      storage: configuration.storage !== undefined,
      sizes: poolSizes(state.view()),
      room: { rooms: pool.rooms(), home: host },
    }
    return presence === undefined ? serves : { ...serves, home: host, hosts: presence.names() }
  }
  const libvirt = createNativeLibvirt({ uri: configuration.libvirt.uri, clock })
  const pool = await openPool({
    ...{ clock, host, capacity, tree, libvirt, presence, signal },
    stateFolder: configuration.state.folder,
    storageFolder: configuration.storage?.folder,
    catalogue: () => catalogue.current(),
    view: () => fleet.viewOf(),
    onTrouble: (thrown) => log.warn({ err: thrown }, 'what this host uses was not noted'),
  })
  const vswitch = createVswitchDriver({
    run,
    clock,
    databaseSocket: configuration.openvswitch.databaseSocket,
    datapath: configuration.openvswitch.datapath,
    runFolder: configuration.network.runFolder,
    ...(membership !== undefined &&
      presence !== undefined && {
        reachable: reachablePeers({
          run,
          others: () => presence.listening(),
          ca: membership.ca,
        }),
      }),
  })
  const netfilter = createNetfilterDriver({
    clock,
    restoreFile: restoreFileOf(configuration),
    onEnded: (count) => tell(endedEvent(count)),
  })
  const { storage } = configuration
  const blockDaemon = storage && createControlClient(join(storage.sockets, CONTROL_SOCKET))
  const pools =
    blockDaemon &&
    (await watchPools({
      ...{ clock, daemon: blockDaemon, state, alerts, tell, signal },
      sockets: storage.sockets,
      stateFolder: configuration.state.folder,
      catalogue: () => catalogue.current(),
      onChange: () => reconciler.wake('a scrub began or ended', 'storage'),
      onTrouble: (thrown) => log.warn({ err: thrown }, 'times of scrubs are not kept'),
    }))
  const holds = new MachineHolds()
  const machines = createVirtDriver({
    ...{ libvirt, clock, holds },
    runsFile: `${configuration.state.folder}/machine-runs.json`,
    generationOf: (uuid) =>
      desired.of('virt').value.machines.find((one) => one.uuid === uuid)?.generation,
  })
  const exists = (machine: string): boolean =>
    catalogue.current().get('VirtualMachine', machine) !== undefined
  const leases = await MachineLeases.open({
    ...{ store, clock, signal, host, exists, isAlone: engine === 'sqlite' },
    bootId: await kernelBootId(),
    file: `${configuration.state.folder}/machine-leases.json`,
  })
  const drivers = {
    host,
    netfilter,
    vswitch,
    virt: leasedDriver({ driver: machines, leases, tell }),
    storage: createStorageDriver(
      storage && { ...storage, ownedFile: `${configuration.state.folder}/volumes.json`, clock },
    ),
    ...(storage && { volumeSockets: storage.sockets }),
    ...(pools && { scrubOf: pools.scrubOf }),
  }
  const facts = (): ReadonlySet<Fact> => reconciler.facts()
  const passes = watchPasses({ clock, state, alerts, metrics, tell, facts })
  const reconciler = startReconciler({
    lanes: lanesOf(drivers, desired, passes),
    clock,
    resyncMs: configuration.reconcile.resyncSeconds * 1000,
    drift: configuration.reconcile.drift,
    maxBackoffMs: MAX_BACKOFF_MS,
    log: ({ level, message, ...rest }) => log[level === 'warning' ? 'warn' : level](rest, message),
  })
  leases
    .follow((machine) => {
      const { machines: wanted } = desired.of('virt').value
      if (wanted.some(({ name }) => name === machine)) reconciler.wake('a lease changed', 'virt')
    })
    .catch(storeTrouble)
  catalogue.onChange((current) => {
    countResources(metrics, current)
    const changed = desired.advance(current)
    state.advance()
    for (const lane of changed) reconciler.wake('desired state changed', lane)
    if (engine === 'etcd') cache.keep(catalogue.mirror.current())
  })
  if (engine === 'etcd') cache.keep(catalogue.mirror.current())
  countResources(metrics, catalogue.current())
  const ending = Promise.withResolvers<Ending>()
  catalogue.ended.catch((thrown) => {
    const reason = `the store’s watch broke: ${toPurlinError(thrown).message}`
    ending.resolve({ reason, next: 'end badly' })
  })
  const onEnd = (task: Task): void => {
    const seconds = ((task.endedAtMs ?? 0) - task.createdAtMs) / 1000
    metrics.taskSeconds.observe({ verb: task.verb, state: task.state }, seconds)
    tell(taskEvent(task))
  }
  const follower = new TaskFollower({
    store,
    tasks,
    standingOf: (targets) =>
      standingOf(targets, catalogue.current(), (record) => fleet.viewOf(record)),
    subscribe: (listener) => fleet.subscribe(listener),
    host,
    isPresent: (name) => presence?.isPresent(name) ?? name === host,
    clock,
    deadlineMs: TASK_DEADLINE_MS,
    endsByItself: (task) => isActTask(task) || isSnapshotTask(task),
    onEnd,
  })
  const idempotency = new IdempotencyLog(store, clock)
  const changes = new Changes({
    store,
    tasks,
    catalogue,
    clock,
    host,
    admission: {
      apply: async (current, documents) => {
        const images = await desired.imageNames(imagesNamedBy(documents))
        return admitApply(current, documents, images, clock.nowMs(), places())
      },
      remove: (current, kind, name) => {
        const keptMs = configuration.trash.keepHours * HOUR_MS
        const change = admitDelete(current, kind, name, clock.nowMs())
        return withTrash(change, current, { nowMs: clock.nowMs(), keptMs })
      },
    },
    vet: async (change) => {
      if (storage === undefined) return
      await refuseUnprovenCaches(change, storage)
      const { folder } = storage
      await refuseLockedDisks(change, await listCacheLocks(store), { folder, host })
    },
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
  if (membership !== undefined) {
    const stateFolder = configuration.state.folder
    const publicFile = `${configuration.network.runFolder}/fleet-crl.pem`
    const fleetGrounds = { store, clock, run, signal, membership, stateFolder }
    keepRevocations({
      ...fleetGrounds,
      publicFile,
      onTrouble: storeTrouble,
      onHungUp: (connections) =>
        log.info(`certificates were revoked: ${connections} connections to etcd here were ended`),
    })
    keepCertificate({
      ...fleetGrounds,
      alerts,
      startAgain: (reason) => ending.resolve({ reason, next: 'start again' }),
      onTrouble: (thrown) => log.warn({ err: thrown }, 'a certificate was not renewed'),
    })
  }
  const databaseSocket = configuration.openvswitch.databaseSocket
  const fabric = new Fabric({
    ...{ store, clock, signal, host, catalogue, onTrouble: storeTrouble },
    switches: () => desired.of('vswitch').value.switches,
    openProbe: (probe) => openProbe({ ...probe, databaseSocket, clock, host }),
    others: () => presence?.standing() ?? [],
  })
  const arrivals = new Arrivals({ clock, signal }, (ports) => {
    for (const lane of desired.arrived(ports)) reconciler.wake('ports have come', lane)
  })
  new Mover({
    ...{ store, clock, signal, host, catalogue, tell },
    view: () => state.view(),
    onView: (listener) => void state.subscribe(listener),
    desiredPorts: () => desired.of('vswitch').value.ports,
    announce: (port, rounds, until) => vswitch.announce(port, rounds, until),
    onArrival: (ports) => arrivals.note(ports),
    onTrouble: (thrown) => log.warn({ err: thrown }, 'a step of a port’s move failed'),
  })
  const guests = createGuestAgent({ libvirt, clock })
  const provenRole = (socket: Socket): 'admin' | undefined => {
    const fingerprint = provenFingerprint(socket)
    const proven = fingerprint !== undefined && presence?.hostOfFingerprint(fingerprint)
    return proven ? 'admin' : undefined
  }
  const consoles = openConsoles({ libvirt, clock, tokens, provenRole, tell })
  const upgrade: UpgradeHandler = (request, socket, head) =>
    void consoles.upgrade({ request, socket, head })
  const acts = new MachineActs({
    ...{ store, tasks, catalogue, clock, signal, host, onEnd },
    control: createMachineControl({ libvirt, clock }),
    startAnew: drivers.virt.startAnew,
    thaw: guests.thaw,
    onTrouble: (thrown) => log.warn({ err: thrown }, 'an act on a machine failed'),
  })
  const snapshots = keepSnapshots(configuration, {
    ...{ store, tasks, catalogue, clock, signal, host, onEnd, tell, guests, daemon: blockDaemon },
    stillness: createStillness({ libvirt, clock, holds }),
    thawLater: (machine, afterMs) => acts.thawLater(machine, afterMs),
    own: drivers.storage.own,
    view: () => state.view(),
    onView: (listener) => void state.subscribe(listener),
    onTrouble: (thrown) => log.warn({ err: thrown }, 'a snapshot of a machine was not kept'),
  })
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
    fleet,
    presence,
    pool,
    places,
    storeEngine: engine,
    membership,
    settled: async () => {
      follower.leaveAll()
      await teller.flushed()
    },
    startAgain: (reason) => {
      // The answer of the call that asks for it goes out first.
      const begin = (): void => ending.resolve({ reason, next: 'start again' })
      clock.sleep(ANSWER_MS).then(begin, () => undefined)
    },
    conditions: new ConditionHistory(),
    alerts,
    changes,
    follower,
    idempotency,
    reconciler,
    desired,
    guests,
    foreignDomain: libvirt.domain,
    consoles,
    acts,
    netfilter,
    network: {
      traffic: recordTraffic({
        clock,
        count: (until) => vswitch.count(until),
        portGroupOf: (port) => catalogue.current().get('Port', port)?.manifest.spec.portGroup,
        signal,
      }),
      confirmUplinks: (name, until) => vswitch.confirmUplinks(name, until),
      cross: (crossing, until) => vswitch.cross(crossing, until),
      hasSwitch: (name) => catalogue.current().get('DistributedSwitch', name) !== undefined,
    },
    volumes: {
      daemon: blockDaemon,
      scrub: pools?.scrub,
      catalogue: () => catalogue.current(),
      view: () => state.view(),
      tell,
    },
    metrics,
    fabric,
    startedAtMs,
  }
  const api = await buildApi({
    title: 'Purlin host agent',
    version: VERSION,
    tokens,
    ...{ provenRole, upgrade },
    operations,
    handlers: operationHandlers(grounds),
    kinds: hostKinds,
    elsewhere: servedElsewhere,
    resources: resourceHandlers(grounds),
    logger: log,
  })
  const listenAt = listenAddress(configuration, membership)
  const listener = await listen(api, {
    socket: configuration.api.socket,
    group: 'purlin',
    tcpPort: configuration.api.tcpPort,
    upgrade,
    ...(membership !== undefined &&
      listenAt !== undefined && {
        further: (app) => listenForHosts(app, { ...membership, listen: listenAt, upgrade }),
      }),
  })
  const notifier = openNotifier(run, process.env)
  notifier.watch(signal)
  await notifier.ready(`serving ${configuration.api.socket}`)
  log.info({ version: VERSION, readyMs: Math.round(clock.monotonicMs() - startedAtMs) }, 'ready')
  void tendForever(signal)
  netfilter
    .watchLogs(() => desired.of('netfilter').value, flowEvents(clock, tell), signal)
    .catch((thrown) => log.warn({ err: thrown }, 'flows that rules log are not told of'))
  return {
    ending: ending.promise,
    close: async () => {
      await notifier.stopping()
      follower.leaveAll()
      await consoles.close()
      await listener.close()
      await snapshots.stopped()
      await reconciler.stop()
      await presence?.leave()
      libvirt.close()
      vswitch.close()
      await teller.flushed()
      await cache.flushed()
      await store.close()
    },
  }

  /** What has to be looked after beside the changes themselves: tasks that nobody follows, and, by
   *  one agent of the fleet, what has grown old. */
  async function tendForever(until: AbortSignal): Promise<void> {
    const warn = (what: string) => (thrown: unknown) => log.warn({ err: thrown }, what)
    let seen: string | undefined
    for (let round = 0; !until.aborted; round++) {
      const standing = tellStanding()
      const due = round % TRIM_EVERY_ROUNDS === TRIM_EVERY_ROUNDS - 1
      if (standing !== seen || due) {
        seen = await follower.resume().then(
          () => standing,
          () => undefined,
        )
      }
      if (due) {
        if (presence?.isKeeper() !== false) await trim().catch(warn('what is old was not trimmed'))
        await presence?.remember().catch(warn('that this host is there was not noted'))
      }
      await clock.sleep(TEND_EVERY_MS, until).catch(() => undefined)
    }
  }

  /** Raises and clears the store's alert; answers what open tasks depend on: whether the store is
   *  there, and which hosts are. */
  function tellStanding(): string {
    const subject = { kind: 'Store', name: engine }
    const trouble = store.trouble()
    if (trouble === undefined) alerts.clear(subject)
    else {
      const { message } = trouble
      alerts.raise({ code: 'PUR_STORE_UNREACHABLE', severity: 'critical', subject, message })
    }
    return `${trouble === undefined} ${presence?.others().join(' ')}`
  }

  async function trim(): Promise<void> {
    // A move that ended just before its last word: the host's own note says that it counts.
    if (engine === 'etcd') await store.transact({ writes: [{ delete: MOVING }] })
    await Promise.all([
      events.trim(KEPT_EVENTS),
      tasks.trim(KEPT_TASKS),
      follower.trim(),
      idempotency.trim(),
      trimLeases(store, exists),
      trimTrash(store, clock.nowMs()),
    ])
    const { revision } = catalogue.current()
    const oldest = revision - opened.keptRevisions
    if (opened.keptRevisions > 0 && oldest > 0) await store.compact(oldest)
  }
}

/** The host that a resource is on; undefined for one that is on all. */
function hostOf({ manifest }: StoredRecord, catalogue: Catalogue): string | undefined {
  if (manifest.kind === 'VirtualMachine') return manifest.spec.host
  if (manifest.kind !== 'Port') return undefined
  return catalogue.get('VirtualMachine', manifest.spec.virtualMachine)?.manifest.spec.host
}

function listenAddress(
  { fleet }: Configuration,
  membership: FleetMembership | undefined,
): string | undefined {
  return fleet.listen ?? membership?.listen
}

function countResources(metrics: AgentMetrics, catalogue: Catalogue): void {
  metrics.storeRevision.set(catalogue.revision)
  for (const kind of hostKinds) metrics.resources.set({ kind }, catalogue.list(kind).length)
}

async function untilStopped(log: Logger): Promise<Ending> {
  return await new Promise((resolve) => {
    for (const name of STOP_SIGNALS) {
      process.once(name, () => {
        log.info({ signal: name }, 'asked to stop')
        resolve({ reason: 'signal', next: 'end well' })
      })
    }
  })
}
