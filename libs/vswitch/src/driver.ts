import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { type Clock, type Fact, type Run, run, systemClock } from '@purlin/base'
import type { VswitchDesired } from './desired.ts'
import type { ExecuteContext } from './execute/context.ts'
import { makeSwitch, removeSwitch } from './execute/make-switch.ts'
import { plug, unplug } from './execute/plug.ts'
import { serve, tellService, withdraw } from './execute/serve.ts'
import { pluggedFacts } from './facts.ts'
import { listLinks } from './links/link.ts'
import { bridgesCanFilter } from './links/silence.ts'
import { watchLinks } from './links/watch.ts'
import { bridgesOf, switchPortsOf } from './observe.ts'
import type { VswitchObserved } from './observed.ts'
import { openDatabase } from './ovsdb/database.ts'
import { independent } from './plan/independent.ts'
import { type PlanSettings, planVswitch } from './plan/plan.ts'
import type { VswitchStep } from './plan/step.ts'
import { closedFolderAbove } from './services/folder.ts'
import { observeServices } from './services/observe.ts'
import { type Launch, launch } from './services/process.ts'
import { watchServices } from './services/watch.ts'

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
  facts(observed: VswitchObserved): ReadonlySet<Fact>
  /** Whether `later` makes sense although `failed` of the same plan has failed. Pure. */
  independent(failed: VswitchStep, later: VswitchStep): boolean
  watch(onChange: (reason: string) => void, signal: AbortSignal): void
  /** Leaves the database; switches, ports and services go on without us. */
  close(): void
}

/** Devices whose notifications are drift of ours: ports, services, taps, and the switches. */
const OUR_DEVICE = /^(?:pbr|pin|pout|pgs|ptap)-[0-9a-f]{8}$/

/** Makes the driver of this host's switches. It starts nothing until it is used. */
export function createVswitchDriver(options: VswitchDriverOptions): VswitchDriver {
  const clock = options.clock ?? systemClock
  const spawnRun = options.run ?? run
  const database = openDatabase(options.databaseSocket, clock)
  const switches = new Set<string>()
  let settings: PlanSettings = {
    runFolder: options.runFolder,
    serviceUser: options.serviceUser ?? 'root',
    datapath: options.datapath,
  }
  const chosen = chooseServiceUser(options).then((serviceUser) => {
    settings = { ...settings, serviceUser }
  })

  return {
    lane: 'vswitch',
    observe: async (signal) => {
      await chosen
      const [replica, links, services, filterable] = await Promise.all([
        database.replica(signal),
        listLinks(spawnRun, signal),
        observeServices(options.runFolder),
        bridgesCanFilter(),
      ])
      const bridges = bridgesOf(replica)
      for (const name of bridges.keys()) switches.add(name)
      return {
        bridges,
        switchPorts: switchPortsOf(replica),
        links,
        services,
        filterable,
        datapathType: existsSync('/sys/module/openvswitch') ? 'system' : 'netdev',
      }
    },
    plan: (desired, observed) => planVswitch(desired, observed, settings),
    execute: async (step, signal) => {
      await chosen
      const context: ExecuteContext = {
        run: spawnRun,
        launch: options.launch ?? launch,
        clock,
        database,
        settings,
        signal,
      }
      await executeStep(context, step)
    },
    facts: pluggedFacts,
    independent,
    watch: (onChange, signal) => {
      database.onChange(onChange, signal)
      const onLink = (name: string | undefined): void => {
        if (name === undefined) onChange('link notifications may have been missed')
        else if (OUR_DEVICE.test(name) || switches.has(name)) onChange(`link ${name} changed`)
      }
      watchLinks(clock, onLink, signal)
      watchServices(options.runFolder, clock, onChange, signal)
    },
    close: () => database.close(),
  }
}

async function executeStep(context: ExecuteContext, step: VswitchStep): Promise<void> {
  switch (step.kind) {
    case 'make-switch':
      return await makeSwitch(context, step.switch, step.datapathType)
    case 'remove-switch':
      return await removeSwitch(context, step.switch)
    case 'plug':
      return await plug(context, step.port)
    case 'unplug':
      return await unplug(context, step.port, step.devices)
    case 'serve':
      return await serve(context, step.service)
    case 'reserve':
      return await tellService(context, step.service)
    case 'withdraw':
      return await withdraw(context, step.portGroup)
  }
}

async function chooseServiceUser(options: VswitchDriverOptions): Promise<string> {
  if (options.serviceUser !== undefined) return options.serviceUser
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const closed = await closedFolderAbove(options.runFolder)
  return /^dnsmasq:/m.test(users) && closed === undefined ? 'dnsmasq' : 'root'
}
