import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import { createNetfilterDriver, type NetfilterDesired } from '@purlin/netfilter'
import type { PortSpec } from '@purlin/schema'
import { createVswitchDriver, type VswitchDesired } from '@purlin/vswitch'
import { type LabMachine, startLabHost } from './lab-host.ts'

const ROUNDS_MAX = 6

/** Open vSwitch, both network drivers and machines, on the present private host. */
export interface SwitchLab {
  /** Brings both lanes about, rules first. */
  enforce(policy: NetfilterDesired, network: VswitchDesired): Promise<void>
  machine(port: PortSpec): Promise<LabMachine>
  stop(): Promise<void>
}

/** Takes every switch, port, router and rule of ours off the present private host: the next suite's
 *  agent would find what nobody takes away. */
export async function clearHost(databaseSocket: string, runFolder: string): Promise<void> {
  for (const family of ['inet', 'bridge']) {
    const options = { timeoutMs: 10_000, acceptedExitCodes: [1] }
    await run('nft', ['delete', 'table', family, 'purlin'], options)
  }
  const vswitch = createVswitchDriver({ databaseSocket, datapath: 'netdev', runFolder })
  const nothing = { switches: [], portGroups: [], ports: [] }
  await settle(vswitch, (observed) => vswitch.plan(nothing, observed)).catch(() => {})
  vswitch.close()
}

async function settle<Observed, Step>(
  driver: {
    observe(signal: AbortSignal): Promise<Observed>
    execute(step: Step, signal: AbortSignal): Promise<void>
  },
  planOf: (observed: Observed) => readonly Step[],
): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const signal = AbortSignal.timeout(60_000)
    const steps = planOf(await driver.observe(signal))
    if (steps.length === 0) return
    for (const step of steps) await driver.execute(step, signal)
  }
  throw new Error(`not settled after ${ROUNDS_MAX} rounds`)
}

/** Starts a lab in a temporary folder; everything in it ends with `stop`. */
export async function startLab(): Promise<SwitchLab> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-lab-'))
  await run('chmod', ['755', folder], { timeoutMs: 5_000 })
  await mkdir(join(folder, 'run'))
  const host = await startLabHost(folder)
  const netfilter = createNetfilterDriver({ clock: systemClock })
  const vswitch = createVswitchDriver({
    databaseSocket: host.socket,
    datapath: 'netdev',
    runFolder: join(folder, 'run'),
  })
  return {
    enforce: async (policy, network) => {
      await settle(netfilter, (observed) => netfilter.plan(policy, observed))
      await settle(vswitch, (observed) => vswitch.plan(network, observed))
    },
    machine: host.machine,
    stop: async () => {
      await clearHost(host.socket, join(folder, 'run'))
      vswitch.close()
      netfilter.close()
      await host.end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
