import type { Clock, RandomBytes, Run } from '@purlin/base'
import type { Bmc } from '@purlin/bmc'
import type {
  ImageSource,
  InstallerTarget,
  InstallInputs,
  UserInput,
} from '@purlin/deployment-template'
import type { AlertCause, NewEvent, SpecOf } from '@purlin/schema'
import type { Store } from '@purlin/store'
import type { Deadlines } from './deadlines.ts'

/** A medium that has been fetched, checked and extracted. Paths are of the boot service. */
export interface ReadyMedium {
  readonly name: string
  readonly target: InstallerTarget
  /** `/media/NAME/…` */
  readonly kernel: string
  readonly initrds: readonly string[]
  /** Root of the tree, `/media/NAME`. */
  readonly tree: string
  /** Squashed root of the installer where its family fetches one by itself (Ubuntu, SUSE). */
  readonly stage?: string
}

/** A root image that has been fetched and checked. */
export interface ReadyImage extends Pick<ImageSource, 'sha256' | 'packages' | 'backend'> {
  readonly name: string
  /** `/image/NAME` */
  readonly path: string
}

/** What an instance is made of: its template with the contents of its files. */
export interface InstanceInputs {
  readonly spec: SpecOf<'DeploymentTemplate'>
  readonly source: { readonly media: string } | { readonly image: string }
  readonly hostname: string
  readonly users: readonly UserInput[]
  readonly scripts: InstallInputs['scripts']
}

/** The media store; part of the same daemon. Errors: PUR_MEDIA_*, told as the cause. */
export interface MediaDesk {
  /** Fetches what is not there yet. May take long; ends with the signal. May be called twice. */
  readyMedium(name: string, signal: AbortSignal): Promise<ReadyMedium>
  readyImage(name: string, signal: AbortSignal): Promise<ReadyImage>
  /** Folder of a medium's tree, or file of an image; undefined when it is not there. */
  placeOf(tree: { readonly tree: 'media' | 'image'; readonly name: string }): string | undefined
}

/** All that the conductor needs of the daemon. */
export interface LifeGrounds {
  /** Lives are below `/life/`, their histories below `/life-history/`, discovery reports below
   *  `/discovery-report/`. */
  readonly store: Pick<Store, 'get' | 'list' | 'transact'>
  readonly clock: Clock
  readonly random?: RandomBytes
  /** Runs validators of answers. */
  readonly run?: Run
  /** The BMC of a chassis. Errors: PUR_RESOURCE_MISSING and those of its secret. */
  bmcOf(chassis: string): Promise<Bmc>
  /** Folder for recordings of consoles; there is one file a chassis. */
  readonly consoleFolder: string
  readonly media: MediaDesk
  /** Errors: PUR_RESOURCE_MISSING for an instance that is gone. */
  inputsOf(instance: string): Promise<InstanceInputs>
  /** The text of `agent.sh`; each call ends the token of the former. `serverUrl` is HTTPS. Errors:
   *  PUR_MONITORING_PACKAGE where no package of the agent is there. */
  agentScript(
    of: { readonly instance: string; readonly chassis: string },
    serverUrl: string,
  ): Promise<string>
  /** Whether `agentScript` would find a package; asked before the power goes on. */
  agentAvailable(): Promise<boolean>
  tell(event: NewEvent): void
  raise(cause: AlertCause): void
  clear(subject: AlertCause['subject'], code: string): void
  /** Called when anything of a life has changed, after it was written. */
  changed(chassis: string): void
  /** What no one waits for and went wrong, for the log. */
  onTrouble(chassis: string, thrown: unknown): void
  readonly deadlines?: Partial<Deadlines>
  /** Arguments of every kernel that a node starts, `console=…`; the serial line of SOL. */
  readonly consoles?: readonly string[]
  /** Between two looks at the power of a chassis; 60 s unless told. */
  readonly powerPollMs?: number
}
