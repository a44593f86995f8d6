import type { AddressFamily } from '@purlin/base'
import type { Packet } from '../packet.ts'
import type { Direction, FilterAction } from '../policy/desired.ts'

/** A packet that the kernel would decide otherwise than the policy. */
export interface KernelWitness {
  readonly family: AddressFamily
  readonly packet: Packet
  /** What the policy says, and which of its rules. */
  readonly meant: FilterAction
  readonly meantBy: string
  /** What the loaded rules would do, and which of them. */
  readonly loaded: FilterAction
  readonly loadedBy: string
}

/** One thing that is not as the policy says. */
export interface VerifyFinding {
  /** The object in the kernel, such as `chain bridge/base-forward`, or the list of a NIC. */
  readonly where: string
  readonly what: string
  /** `MACHINE.NIC`, where it is one NIC's. */
  readonly port?: string
  readonly direction?: Direction
  readonly witness?: KernelWitness
}

/** What a look at the kernel's rule set proved. */
export interface Verification {
  /** Whether every packet of every NIC is decided as the policy says. */
  readonly equal: boolean
  readonly findings: readonly VerifyFinding[]
  readonly nics: number
  /** Pairs of a list and what passes before it that were compared, packet space by packet space. */
  readonly spaces: number
}
