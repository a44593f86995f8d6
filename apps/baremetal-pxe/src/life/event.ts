import type { EraseDepth } from '@purlin/schema'
import type { CommandWork, PowerAction } from './command.ts'
import type { DeployRequest, EventLogEntry, KnownIdentity, LifeGrant, Prepared } from './life.ts'

/** Steps that a node tells by its own word. */
export const nodeSteps = [
  'installing',
  'partitioning',
  'writing',
  'bootloader',
  'configuring',
  'installed',
  'rebooting',
  'running',
  'erasing',
  'erased',
  'rescue',
  'failed',
] as const
export type NodeStep = (typeof nodeSteps)[number]

/** What a person, or a document, asks of a chassis. */
export type LifeRequest =
  | { readonly ask: 'verify' }
  | { readonly ask: 'discover' }
  | ({ readonly ask: 'deploy' } & DeployRequest)
  /** Of an instance: nothing where the chassis is not, and will not be, that instance's. */
  | { readonly ask: 'release'; readonly erasure: EraseDepth; readonly uid?: string }
  | { readonly ask: 'rescue'; readonly sshKeys: readonly string[] }
  | { readonly ask: 'cancel' }
  | { readonly ask: 'retry' }
  | {
      readonly ask: 'power'
      readonly action: PowerAction
      readonly deadlineMs?: number
      readonly otherwise?: 'off' | 'fail'
    }
  | { readonly ask: 'maintenance'; readonly on: boolean; readonly reason?: string }

/** What came of a command. */
export type CommandOutcome =
  | {
      readonly did: 'identify'
      readonly identity: KnownIdentity
      readonly power: 'on' | 'off'
    }
  | {
      readonly did: 'prepare'
      readonly prepared: Prepared
      readonly identity: KnownIdentity
    }
  /** What cannot be deployed as it is asked; trying again changes nothing. */
  | { readonly did: 'prepare-refused'; readonly code: string; readonly cause: string }
  /** `lasting`: the BMC will start from the network every time, asked or not. */
  | { readonly did: 'start'; readonly lasting: boolean }
  | {
      readonly did: 'stop' | 'set-disk' | 'clear-boot-device' | 'settle' | 'start-from-disk'
    }
  | {
      readonly did: 'diagnose'
      /** When it failed. */
      readonly power?: 'on' | 'off'
      /** Where it was switched off since. */
      readonly powerAfter?: 'off'
      readonly eventLog: readonly EventLogEntry[]
      readonly consoleTail: string
    }
  | { readonly did: 'power'; readonly power: 'on' | 'off' }
  /** The command failed; `passing`: it may succeed later by itself. */
  | {
      readonly did: 'nothing'
      readonly command: CommandWork['do']
      readonly code: string
      readonly cause: string
      readonly passing: boolean
    }

/** How a machine that shows itself compares with its BMC and its enrolment. */
export interface Judgement {
  readonly identity: 'same' | 'other' | 'unknown'
  /** The enrolled MAC is among those that it reports. */
  readonly bootMacSeen: boolean
  /** What was compared, for the cause of a failure. */
  readonly words: string
}

/** Everything that moves a life. */
export type LifeEvent =
  | { readonly type: 'asked'; readonly request: LifeRequest }
  | { readonly type: 'carried-out'; readonly id: number; readonly outcome: CommandOutcome }
  /** The node asked what to boot; `grant` is what it is given if it may boot. */
  | {
      readonly type: 'contact'
      readonly grant: LifeGrant
      readonly machine: 'same' | 'other' | 'unknown'
      readonly words: string
    }
  | { readonly type: 'reported'; readonly reportId: number; readonly judgement: Judgement }
  | { readonly type: 'told'; readonly step: NodeStep; readonly message?: string }
  /** A file of one use is served now. */
  | { readonly type: 'spent'; readonly tokenSha256: string; readonly file: string }
  | { readonly type: 'time' }
  /** The resource of the chassis says other than the life. */
  | {
      readonly type: 'amended'
      readonly bootMac: string
      readonly firmware: 'bios' | 'uefi'
      readonly trustsMac?: boolean
    }
  /** The poll saw this, twice in a row. */
  | { readonly type: 'power-seen'; readonly power: 'on' | 'off' }

/** An event with what the console said last when it came. */
export type WitnessedEvent = LifeEvent & { readonly consoleTail?: string }
