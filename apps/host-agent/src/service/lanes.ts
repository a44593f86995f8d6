import { fact, type LaneStep } from '@purlin/base'
import { type NetfilterDriver, nicFilter } from '@purlin/netfilter'
import { type AnyLane, type LanePass, laneOf } from '@purlin/reconcile'
import { type ScrubRecord, type StorageDriver, storageHealth } from '@purlin/storage'
import { ADOPTED, machineStatus, restOf } from '@purlin/virt'
import { switchHealth, type VswitchDriver } from '@purlin/vswitch'
import type { LeasedVirtDriver } from '../lease/leased-driver.ts'
import type { PassSight } from '../status/host-state.ts'
import type { MachineView } from '../status/host-view.ts'
import type { DesiredState } from './desired-state.ts'

export interface LaneDrivers {
  readonly netfilter: NetfilterDriver
  readonly vswitch: VswitchDriver
  readonly virt: LeasedVirtDriver
  readonly storage: StorageDriver
  /** The host of all these. */
  readonly host: string
  /** The block daemon's folder of sockets; absent where the host serves no storage. */
  readonly volumeSockets?: string
  /** What is known of a pool's scrubs. */
  readonly scrubOf?: (pool: string) => ScrubRecord | undefined
}

/** Told after each pass of a lane, with what the lane saw beside it. */
export type PassListener = (pass: LanePass<unknown, LaneStep>, seen?: PassSight) => void

const OBSERVE_DEADLINE_MS = 10_000

/** The agent's lanes: each driver with what it should bring about. */
export function lanesOf(
  drivers: LaneDrivers,
  desired: DesiredState,
  onPass: PassListener,
): readonly AnyLane[] {
  const observeDeadlineMs = OBSERVE_DEADLINE_MS
  return [
    laneOf({
      driver: drivers.netfilter,
      desired: () => desired.of('netfilter'),
      observeDeadlineMs,
      onPass: (pass) => {
        const { observed } = pass
        if (observed === undefined) {
          onPass(pass)
          return
        }
        const facts = drivers.netfilter.facts(observed)
        const nics = desired.of('netfilter').value.nics.map((nic) => {
          const isEnforced = facts.has(fact('nic', nic.port, 'enforced'))
          return [nic.port, nicFilter(nic, observed, isEnforced)] as const
        })
        onPass(pass, { nics: new Map(nics) })
      },
    }),
    laneOf({
      driver: drivers.vswitch,
      desired: () => desired.of('vswitch'),
      observeDeadlineMs,
      onPass: (pass) => onPass(pass, pass.observed && { switches: switchHealth(pass.observed) }),
    }),
    laneOf({
      driver: drivers.virt,
      desired: () => desired.of('virt'),
      observeDeadlineMs,
      onPass: (pass) => {
        const { observed } = pass
        if (observed === undefined) {
          onPass(pass)
          return
        }
        const machines = desired.of('virt').value.machines.map((machine): [string, MachineView] => {
          const status = machineStatus(observed, machine)
          const pendingRestart = status.conditions.some(
            ({ type, status: holds }) => type === 'PendingRestart' && holds === 'true',
          )
          const found = observed.machines.find((one) => one.name === machine.name)
          const ioError = found?.ioError ?? false
          const leasedTo = observed.leases?.get(machine.name)?.host
          const rest = restOf(machine, found?.endedRun)
          const rests = found?.state === 'stopped' && machine.powerState !== 'stopped'
          return [
            machine.name,
            {
              state: status.powerState,
              pendingRestart,
              conditions: status.conditions.filter(({ type }) => type !== 'Ready'),
              ...(found?.live && {
                live: { cpus: found.live.cpus, memoryMiB: found.live.currentMemoryMiB },
              }),
              ioError,
              ...(leasedTo !== undefined && { leasedTo }),
              ...(found?.live?.mark?.specHash === ADOPTED && { adopted: true }),
              ...(rests && rest !== 'none' && rest !== 'pausing' && { rest }),
            },
          ]
        })
        const { host } = drivers
        const foreign = observed.foreign.map((one) => ({ ...one, host }))
        onPass(pass, { machines: new Map(machines), foreign })
      },
    }),
    laneOf({
      driver: drivers.storage,
      desired: () => desired.of('storage'),
      observeDeadlineMs,
      onPass: (pass) => {
        const { observed } = pass
        const { volumeSockets } = drivers
        if (observed === undefined || volumeSockets === undefined) onPass(pass)
        else onPass(pass, { storage: storageHealth(observed, volumeSockets, drivers.scrubOf) })
      },
    }),
  ]
}
