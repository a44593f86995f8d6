import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type Clock,
  type Fact,
  newIdentifier,
  type PurlinError,
  type Run,
  run,
  systemClock,
} from '@purlin/base'
import { AbsentTaps } from './absent-taps.ts'
import { type Announcement, announceAddresses } from './announce/announce.ts'
import type { VswitchDesired } from './desired.ts'
import { commitFlows } from './execute/commit-flows.ts'
import type { ExecuteContext } from './execute/context.ts'
import { makeSwitch } from './execute/make-switch.ts'
import { setMirrors } from './execute/mirror.ts'
import { plug, unplug } from './execute/plug.ts'
import { removeSwitch } from './execute/remove-switch.ts'
import { serve, tellService, withdraw } from './execute/serve.ts'
import { executeTogether, together } from './execute/together.ts'
import { pluggedFacts } from './facts.ts'
import { setKernel } from './inside/set-kernel.ts'
import { InsideWatch } from './inside/watch-inside.ts'
import { listLinks } from './links/link.ts'
import { bridgesCanFilter } from './links/silence.ts'
import { watchLinks } from './links/watch.ts'
import { bridgesOf, ourBridges, switchPortsOf } from './observe.ts'
import type { VswitchObserved } from './observed.ts'
import { openPipelines } from './openflow/pipelines.ts'
import { openDatabase } from './ovsdb/database.ts'
import { independent } from './plan/independent.ts'
import { type PlanSettings, planVswitch } from './plan/plan.ts'
import type { VswitchStep } from './plan/step.ts'
import { type CrossedHop, type Crossing, crossRouter } from './router/cross/cross.ts'
import { lookInside } from './router/look-inside.ts'
import { route, unroute } from './router/route.ts'
import { observeRouters } from './router/state.ts'
import { closedFolderAbove } from './services/folder.ts'
import { observeServices } from './services/observe.ts'
import { type Launch, launch } from './services/process.ts'
import { watchServices } from './services/watch.ts'
import {
  countersOf,
  type PortCounters,
  readQueueDrops,
  readStatistics,
} from './traffic/counters.ts'
import { confirmUplinks, keepRecord } from './uplinks/keep-record.ts'
import type { TrialGrounds } from './uplinks/trial.ts'
import { type Reachable, watchTrials } from './uplinks/watch-trials.ts'

export interface VswitchDriverOptions {
  /** Path of the Open vSwitch database's unix socket, as `/run/openvswitch/db.sock`. */
  readonly databaseSocket: string
  /** `auto`: the kernel's datapath where its module is loaded, the userspace one else; a bridge
   *  that stands keeps what it has. */
  readonly datapath: 'auto' | 'system' | 'netdev'
  /** Absolute folder for the services' files; it must outlive the agent and not the host's run. */
  readonly runFolder: string
  /** The user dnsmasq becomes; by default `dnsmasq` where the host has it and it can enter the run
   *  folder, else `root`. */
  readonly serviceUser?: string
  /** Asked while a change of uplinks is tried; when others answer, the change holds. */
  readonly reachable?: Reachable
  readonly run?: Run
  readonly launch?: Launch
  readonly clock?: Clock
}

/** The switch lane's driver; it fits the reconciler's LaneDriver by its shape. */
export interface VswitchDriver {
  readonly lane: 'vswitch'
  /** Errors: PUR_OVS_UNREACHABLE, PUR_LINK_FAILED. */
  observe(signal: AbortSignal): Promise<VswitchObserved>
  plan(desired: VswitchDesired, observed: VswitchObserved): readonly VswitchStep[]
  /** Errors: PUR_SWITCH_NAME_TAKEN, PUR_SWITCH_IN_USE, PUR_LINK_FAILED, PUR_DHCP_FAILED,
   *  PUR_OVS_REFUSED, PUR_OVS_UNREACHABLE. */
  execute(step: VswitchStep, signal: AbortSignal): Promise<void>
  /** How many steps, from the first, can be executed as one; at least 1. They are independent of
   *  each other. Pure. */
  together(steps: readonly VswitchStep[]): number
  /** Executes steps of which `together` said so, as one; answers those that failed, each with its
   *  own error, as `execute` would have thrown it. */
  executeTogether(
    steps: readonly VswitchStep[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<VswitchStep, PurlinError>>
  facts(observed: VswitchObserved): ReadonlySet<Fact>
  /** Whether `later` makes sense although `failed` of the same plan has failed. Pure. */
  independent(failed: VswitchStep, later: VswitchStep): boolean
  watch(onChange: (reason: string) => void, signal: AbortSignal): void
  /** Confirms the change of uplinks that is tried on a switch: the caller has reached this host
   *  over the new path. Answers whether one was. Errors: PUR_OVS_*. */
  confirmUplinks(switchName: string, signal?: AbortSignal): Promise<boolean>
  /** What every port and uplink has passed and dropped. Errors: PUR_OVS_*. */
  count(signal?: AbortSignal): Promise<readonly PortCounters[]>
  /** Tells the wire that a port is here now, as after a move: `rounds` times, 100 ms apart. Answers
   *  false where the port is not open. Errors: PUR_OPENFLOW_REFUSED, PUR_OVS_UNREACHABLE. */
  announce(port: Announcement, rounds: number, signal: AbortSignal): Promise<boolean>
  /** Sends a packet through the gateways and the router of this host and tells what became of it in
   *  each. Errors: PUR_LIVE_BUSY, PUR_LIVE_UNAVAILABLE, PUR_OVS_UNREACHABLE. */
  cross(crossing: Crossing, signal: AbortSignal): Promise<readonly CrossedHop[]>
  /** Leaves the database; switches, ports and services go on without us. */
  close(): void
}

/** Devices whose notifications are drift of ours: ports, services, taps, and the switches. */
const OUR_DEVICE = /^(?:pbr|pin|pout|pgs|prx|ptap)-[0-9a-f]{8}$/

/** Makes the driver of this host's switches. It starts nothing until it is used. */
export function createVswitchDriver(options: VswitchDriverOptions): VswitchDriver {
  const clock = options.clock ?? systemClock
  const spawnRun = options.run ?? run
  const database = openDatabase(options.databaseSocket, clock)
  const openflow = openPipelines(dirname(options.databaseSocket), clock)
  const taps = new AbsentTaps()
  const inside = new InsideWatch(spawnRun, clock)
  const switches = new Set<string>()
  let settings: PlanSettings = {
    runFolder: options.runFolder,
    serviceUser: options.serviceUser ?? 'root',
    datapath: options.datapath,
  }
  const instance = newIdentifier(clock.nowMs())
  const trialGrounds = (): TrialGrounds => ({ nowMs: clock.nowMs(), process: instance })
  const confirm = (name: string, signal?: AbortSignal): Promise<boolean> =>
    confirmUplinks(database, name, trialGrounds(), signal)
  const chosen = chooseServiceUser(options).then((serviceUser) => {
    settings = { ...settings, serviceUser }
  })

  const contextOf = async (signal: AbortSignal): Promise<ExecuteContext> => {
    await chosen
    return {
      run: spawnRun,
      launch: options.launch ?? launch,
      clock,
      database,
      pipelines: openflow,
      settings,
      signal,
    }
  }

  return {
    lane: 'vswitch',
    observe: async (signal) => {
      await chosen
      const [replica, links, services, routers, filterable] = await Promise.all([
        database.replica(signal),
        listLinks(spawnRun, signal),
        observeServices(options.runFolder),
        observeRouters(options.runFolder),
        bridgesCanFilter(),
      ])
      const bridges = bridgesOf(replica)
      for (const name of bridges.keys()) switches.add(name)
      const [pipelines, found] = await Promise.all([
        openflow.observe(ourBridges(bridges), signal),
        lookInside(inside, routers, services, signal),
      ])
      const switchPorts = switchPortsOf(replica)
      return {
        bridges,
        switchPorts,
        links,
        services,
        routers: found.routers,
        kernel: found.kernel,
        pipelines,
        unused: taps.look({ links, switchPorts }, clock.monotonicMs()),
        filterable,
        datapathType: existsSync('/sys/module/openvswitch') ? 'system' : 'netdev',
      }
    },
    plan: (desired, observed) =>
      planVswitch(desired, observed, { ...settings, trial: trialGrounds() }),
    execute: async (step, signal) => {
      await executeStep(await contextOf(signal), step)
    },
    together,
    executeTogether: async (steps, signal) =>
      await executeTogether(await contextOf(signal), steps, executeStep),
    announce: (port, rounds, signal) =>
      announceAddresses({ clock, database, pipelines: openflow, signal }, port, rounds),
    cross: (crossing, signal) => {
      const { runFolder } = options
      const grounds = { clock, run: spawnRun, database, pipelines: openflow, runFolder, signal }
      return crossRouter(grounds, crossing)
    },
    facts: pluggedFacts,
    independent,
    watch: (onChange, signal) => {
      database.onChange(onChange, signal)
      openflow.onChange((bridge) => onChange(`flows of ${bridge} changed`), signal)
      const onLink = (name: string | undefined): void => {
        if (name === undefined) onChange('link notifications may have been missed')
        else if (OUR_DEVICE.test(name) || switches.has(name)) onChange(`link ${name} changed`)
      }
      watchLinks(clock, onLink, signal)
      watchTrials(database, clock, options.reachable, confirm, onChange, signal)
      watchServices(options.runFolder, clock, onChange, signal)
      inside.begin(onChange, signal)
    },
    confirmUplinks: confirm,
    count: async (signal) => {
      const [replica, statistics] = await Promise.all([
        database.replica(signal),
        readStatistics(database, signal),
      ])
      const limited = replica.settings.QoS.size > 0
      const bridges = [...ourBridges(bridgesOf(replica)).keys()]
      const meters = bridges.map(async (bridge) => {
        return [bridge, await openflow.meters(bridge, signal).catch(() => [])] as const
      })
      const drops = limited ? await readQueueDrops(spawnRun, signal) : new Map()
      return countersOf(replica, statistics, new Map(await Promise.all(meters)), drops)
    },
    close: () => {
      openflow.close()
      database.close()
    },
  }
}

async function executeStep(context: ExecuteContext, step: VswitchStep): Promise<void> {
  switch (step.kind) {
    case 'make-switch':
      return await makeSwitch(context, step.switch, step.datapathType, step.direct)
    case 'note-uplinks':
      return await keepRecord(context.database, step.switch, step.record, context.signal)
    case 'commit-flows':
      return await commitFlows(context, step.pipeline)
    case 'mirror':
      return await setMirrors(context, step.switch, step.mirrors)
    case 'remove-switch':
      return await removeSwitch(context, step.switch)
    case 'plug':
      return await plug(context, [step.port])
    case 'unplug':
      return await unplug(context, [step])
    case 'serve':
      return await serve(context, step.service)
    case 'reserve':
      return await tellService(context, step.service)
    case 'withdraw':
      return await withdraw(context, step.portGroup)
    case 'route':
      return await route(context, step.router, step.again)
    case 'unroute':
      return await unroute(context, step.router)
    case 'set-kernel':
      return await setKernel(context.run, step, context.signal)
  }
}

async function chooseServiceUser(options: VswitchDriverOptions): Promise<string> {
  if (options.serviceUser !== undefined) return options.serviceUser
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const closed = await closedFolderAbove(options.runFolder)
  return /^dnsmasq:/m.test(users) && closed === undefined ? 'dnsmasq' : 'root'
}
