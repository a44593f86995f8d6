import type { InstallerTarget } from '@purlin/deployment-template'
import type { ChassisState, EraseDepth } from '@purlin/schema'
import type { Command, CommandWork } from './command.ts'

/** The steps of a deployment, in their order. */
export const deployingStates = [
  'preparing',
  'booting',
  'installing',
  'partitioning',
  'writing',
  'bootloader',
  'configuring',
  'rebooting',
] as const satisfies readonly ChassisState[]
export type DeployingState = (typeof deployingStates)[number]

/** Why a node is started over the network. */
export type BootPurpose = 'discover' | 'install' | 'image' | 'erase' | 'rescue'

/** One purpose's starts over the network: how often, and how far the last one came. */
export interface NetworkBoot {
  readonly purpose: BootPurpose
  /** From 1. */
  readonly attempt: number
  /** The BMC was told to start from the network for good, because for one start it did not. */
  readonly lasting: boolean
  /** The BMC says that the node is on since then. */
  readonly poweredAtMs?: number
  /** The node asked what to boot. */
  readonly contactAtMs?: number
  /** Scripts that were served in this attempt. */
  readonly served: number
  /** The machine has shown that it is the one of its BMC. */
  readonly trusted: boolean
  /** It has begun what it was started for: a report came, or its own word. */
  readonly working: boolean
}

/** What a token allows, for one boot of one node. Times are milliseconds since 1970. */
export interface LifeGrant {
  /** 64 hexadecimal digits. */
  readonly tokenSha256: string
  readonly purpose: BootPurpose
  /** Where the node may ask from: the address that asked, and those of the installed system. */
  readonly addresses: readonly string[]
  /** Events that the node may tell. */
  readonly steps: readonly string[]
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  /** Files with secrets that have been served. */
  readonly served: readonly string[]
}

/** An instance that is to be on the chassis; uid and generation tell a request from others. */
export interface DeployRequest {
  readonly instance: string
  readonly uid: string
  readonly generation: number
}

interface PreparedCommon {
  /** Names of files that the node may fetch. */
  readonly files: readonly string[]
  /** Names under /dev/disk/by-id of the disks that will be written. */
  readonly disks: readonly string[]
  /** Addresses that the installed system has for certain. */
  readonly addresses: readonly string[]
  readonly reportId: number
  /** SHA-256 of template, its files, source and host name: what was checked is what is served. */
  readonly digest: string
}

/** What an installer or an image needs, found before the power goes on. Paths are of the boot
 *  service. */
export type Prepared = PreparedCommon &
  (
    | {
        readonly path: 'install'
        readonly target: InstallerTarget
        readonly medium: string
        readonly kernel: string
        readonly initrds: readonly string[]
        readonly tree: string
        readonly stage?: string
        /** Name of the answer file. */
        readonly answer: string
        readonly hostname: string
      }
    | { readonly path: 'image'; readonly image: string }
  )

/** A deployment that was begun. */
export interface Deployment extends DeployRequest {
  readonly prepared?: Prepared
  /** Partitioning was reached: what was on the disks is gone. */
  readonly touched: boolean
}

export interface EventLogEntry {
  readonly atMs?: number
  readonly sensor: string
  readonly text: string
}

/** Why a life stopped. */
export interface Failure {
  /** State in which it failed. */
  readonly step: ChassisState
  /** One sentence. */
  readonly cause: string
  /** Of the catalogue, where there is one. */
  readonly code?: string
  /** Whether the same may succeed when it is tried again unchanged. */
  readonly retriable: boolean
  readonly atMs: number
  /** What the console said last. */
  readonly consoleTail: string
  readonly power?: 'on' | 'off'
  readonly eventLog: readonly EventLogEntry[]
}

/** A state that was entered. */
export interface PassedStep {
  readonly step: ChassisState
  readonly atMs: number
}

/** Who the BMC says that the machine is. */
export interface KnownIdentity {
  readonly uuids: readonly string[]
  readonly serials: readonly string[]
}

/** The whole of what is known of one chassis; the record in the store. */
export interface Life {
  readonly version: 1
  readonly chassis: string
  /** Of the chassis resource: a life ends with it. */
  readonly chassisUid: string
  readonly bootMac: string
  readonly firmware: 'bios' | 'uefi'
  readonly state: ChassisState
  readonly sinceMs: number
  /** Of a state that passes. */
  readonly deadlineAtMs?: number
  /** Commands that are not known to be carried out, in their order. */
  readonly pending: readonly Command[]
  readonly nextCommandId: number
  readonly boot?: NetworkBoot
  readonly grant?: LifeGrant
  readonly identity?: KnownIdentity
  /** The newest report was of the machine of the BMC. */
  readonly proven?: boolean
  /** By its boot MAC alone, as its resource allows. */
  readonly provenByMac?: boolean
  /** Where neither the machine nor its BMC has a name, its boot MAC decides which it is. */
  readonly trustsMac?: boolean
  /** Of the newest discovery report. */
  readonly reportId?: number
  readonly deployment?: Deployment
  /** The last request that was taken up: it is never taken up a second time by itself. */
  readonly asked?: DeployRequest
  /** A request that waits until the chassis is available. */
  readonly wish?: DeployRequest
  /** How the disks are to be erased. */
  readonly erasure?: EraseDepth
  /** An erasure was begun and has not ended: nothing else may use the disks. */
  readonly eraseOwed?: boolean
  readonly sshKeys?: readonly string[]
  /** Where a rescue began, and returns to. */
  readonly before?: {
    readonly state: 'manageable' | 'available' | 'active' | 'failed'
    readonly failure?: Failure
  }
  readonly failure?: Failure
  readonly maintenance: boolean
  /** Why the last command that fails no life did not come about, such as a person's power off. */
  readonly trouble?: {
    readonly command: CommandWork['do']
    readonly code: string
    readonly cause: string
    readonly atMs: number
  }
  /** Power that was last asked for or last seen; what differs from it is drift. */
  readonly power?: 'on' | 'off'
  readonly maintenanceReason?: string
  /** Transitions so far; each is a record of its own beside the life. */
  readonly transitions: number
  /** States since the last rest, newest last, at most 24. */
  readonly steps: readonly PassedStep[]
}

/** A life that begins. */
export function newLife(
  chassis: {
    readonly name: string
    readonly uid: string
    readonly bootMac: string
    readonly firmware: 'bios' | 'uefi'
    readonly trustsMac?: boolean
  },
  nowMs: number,
): Life {
  const { name, uid, bootMac, firmware, trustsMac = false } = chassis
  return {
    version: 1,
    chassis: name,
    chassisUid: uid,
    bootMac: bootMac.toLowerCase(),
    firmware,
    ...(trustsMac && { trustsMac }),
    state: 'enrolled',
    sinceMs: nowMs,
    pending: [],
    nextCommandId: 1,
    maintenance: false,
    transitions: 0,
    steps: [],
  }
}

/** Whether the state is a step of a deployment. */
export function isDeploying(state: ChassisState): state is DeployingState {
  return (deployingStates as readonly ChassisState[]).includes(state)
}
