import type { LaneStep } from '@purlin/base'
import type { BootSpec, DiskSpec, DomainSpec, NicSpec } from '../domain/domain-spec.ts'
import type { DomainReading } from '../domain/read.ts'
import type { PowerState } from '../machine/power-state.ts'

/** A machine as it should be on this host. */
export interface MachineDesired extends DomainSpec {
  readonly powerState: 'running' | 'stopped'
  readonly generation: number
  readonly boot: BootSpec
  readonly disks?: readonly DiskSpec[]
  readonly nics: readonly NicSpec[]
}

export interface VirtDesired {
  readonly machines: readonly MachineDesired[]
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
  /** Bytes the running guest sees of its disks on volumes, by target. */
  readonly diskBytes: ReadonlyMap<string, number>
  /** Taps that the running machine holds. */
  readonly tapsInUse: readonly string[]
}

export interface VirtObserved {
  readonly machines: readonly ObservedMachine[]
  /** Domains without Purlin's mark: never touched, only their names and ids matter. */
  readonly foreign: readonly { readonly name: string; readonly uuid: string }[]
}

export type VirtVerb =
  | 'define'
  | 'redefine'
  | 'start'
  | 'resume'
  | 'wake'
  | 'grow'
  | 'stop'
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
  /** How long a guest may take to power off before its power is taken; of `stop` alone. */
  readonly graceMs?: number
}
