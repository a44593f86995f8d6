import type { LaneStep } from '@purlin/base'
import type { BootSpec, DiskSpec, DomainSpec, NicSpec } from '../domain/domain-spec.ts'
import type { DomainReading } from '../domain/read.ts'
import type { DeviceAsk } from '../machine/device-asks.ts'
import type { PowerOff } from '../machine/power-offs.ts'
import type { PowerState } from '../machine/power-state.ts'
import type { EndedRun, RestartPolicy } from '../machine/runs.ts'
import type { WantedPower } from '../machine/wanted-power.ts'
import type { LiveChange } from './live-changes.ts'

/** A machine as it should be on this host. */
export interface MachineDesired extends DomainSpec {
  readonly powerState: WantedPower
  /** How long its guest may take to power off before its power is taken. Default 20000. */
  readonly graceMs?: number
  /** Whether it is started again when it went off by itself. Default `always`. */
  readonly restart?: RestartPolicy
  /** Whether it is started after its host's boot. Default true. */
  readonly autostart?: boolean
  /** A file with the memory that it starts with, standing still; absent: it starts as usual. */
  readonly memoryFile?: string
  readonly generation: number
  readonly boot: BootSpec
  readonly disks?: readonly DiskSpec[]
  readonly nics: readonly NicSpec[]
}

export interface VirtDesired {
  readonly machines: readonly MachineDesired[]
  /** UUIDs of machines that belong here and of which it cannot be said now what they should be:
   *  they are left as they are. */
  readonly untold?: readonly string[]
}

/** One of Purlin's domains as libvirt has it. */
export interface ObservedMachine {
  readonly name: string
  readonly uuid: string
  readonly state: PowerState
  /** Whether a QEMU process exists: running, paused, stopping, asleep. */
  readonly active: boolean
  /** It stopped because a disk did not answer; the requests wait in QEMU. */
  readonly ioError: boolean
  readonly persistent: boolean
  /** Hash of the spec that holds from the next start on. */
  readonly specHash: string
  /** What holds from the next start on. */
  readonly defined: DomainReading
  /** What holds now; only while active. */
  readonly live?: DomainReading
  /** virDomainShutoffReason while it is off. */
  readonly reason: number
  /** How its last run ended by itself; absent: it did not. */
  readonly endedRun?: EndedRun
  /** Something else has it stand still for a moment, so that its power is left alone. */
  readonly held?: true
  /** Its guest was asked to power off; absent: it was not. */
  readonly powerOff?: PowerOff
  /** Bytes the running guest sees of its disks on volumes, by target. */
  readonly diskBytes: ReadonlyMap<string, number>
  /** What the guest was asked to let go of; by alias, or what else it is. */
  readonly asks: ReadonlyMap<string, DeviceAsk>
  /** Taps that the running machine holds. */
  readonly tapsInUse: readonly string[]
}

/** A domain that somebody else made. */
export interface ForeignDomain {
  readonly name: string
  readonly uuid: string
  readonly state: PowerState
  /** 0 where its XML cannot be understood. */
  readonly cpus: number
  readonly memoryMiB: number
}

export interface VirtObserved {
  readonly machines: readonly ObservedMachine[]
  /** Domains without Purlin's mark: shown, and never touched. */
  readonly foreign: readonly ForeignDomain[]
}

export type VirtVerb =
  | 'adopt'
  | 'define'
  | 'redefine'
  | 'start'
  | 'restore'
  | 'resume'
  | 'wake'
  | 'pause'
  | 'save'
  | 'discard'
  | 'grow'
  | 'plug'
  | 'unplug'
  | 'tune'
  | 'mark'
  | 'shutdown'
  | 'destroy'
  | 'undefine'

/** One step of the virt lane. */
export interface VirtStep extends LaneStep {
  readonly lane: 'virt'
  readonly verb: VirtVerb
  readonly machine: string
  /** What is to be defined; of `define` and `redefine` alone. */
  readonly spec?: DomainSpec
  /** Which disk is larger now, and how large; of `grow` alone. */
  readonly disk?: { readonly target: string; readonly sizeBytes: number }
  /** What is changed of a running machine; of `plug`, `unplug`, `tune` and `mark`. */
  readonly change?: LiveChange
  /** How long a guest may take to power off before its power is taken; of `shutdown` alone. */
  readonly graceMs?: number
  /** Generation of the resource for which it is started; of `start` and `restore`. */
  readonly generation?: number
  /** The machine comes up standing still; of `start` and `restore`. */
  readonly paused?: boolean
  /** The file with the memory that it comes up with; of `restore`, absent: its saved memory. */
  readonly memoryFile?: string
}
