import type { Finding, LaneHealth } from '@purlin/schema'
import type { HostReader } from '../host-reader.ts'

/** What a real start of a small machine showed; only that proves KVM. */
export interface KvmVerdict {
  readonly works: boolean
  /** What was seen, for people. */
  readonly found: string
}

/** A name Purlin needs that somebody else has, as a driver found it. */
export interface TakenName {
  /** Such as `bridge`, `nft table`, `domain`. */
  readonly what: string
  readonly name: string
  /** The driver's own sentence, where it has one: what is taken, by what, and how to mend it. */
  readonly told?: string
}

/** What the caller knows and a check cannot read by itself. */
export interface DoctorKnowledge {
  readonly kvmVerdict?: KvmVerdict
  readonly lanes?: readonly LaneHealth[]
  readonly taken?: readonly TakenName[]
  readonly stateFolder?: string
}

/** One check: a thin reader, and a judge that is pure and total over what can be read. */
export interface DoctorCheck<Reading> {
  readonly name: string
  /** Undefined: there is nothing to judge, since the caller did not name it. */
  read(
    host: HostReader,
    knowledge: DoctorKnowledge,
    signal: AbortSignal,
  ): Promise<Reading | undefined>
  judge(reading: Reading): readonly Opinion[]
}

/** A finding before it carries the name of its check. */
export type Opinion = Omit<Finding, 'check'>

/** The same check, with its types found. */
export function doctorCheck<Reading>(check: DoctorCheck<Reading>): DoctorCheck<Reading> {
  return check
}

/** A check of anything, as the list of checks holds it. */
export type AnyCheck = DoctorCheck<unknown>
