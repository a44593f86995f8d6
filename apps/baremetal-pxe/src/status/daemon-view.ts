import type { PurlinError } from '@purlin/base'
import type { ContentStatus } from '@purlin/schema'
import type { Life } from '../life/life.ts'
import type { ContentKind } from '../media/index.ts'
import type { NetworkStanding } from '../service/boot-network.ts'
import type { ReleaseRecord } from '../service/release-records.ts'

/** What is observed, as far as resources and tasks are judged by it. */
export interface DaemonView {
  readonly lifeOf: (chassis: string) => Life | undefined
  readonly networkOf: (network: string) => NetworkStanding | undefined
  readonly contentOf: (kind: ContentKind, name: string) => ContentStatus
  /** Releases that have not ended, by chassis. */
  readonly releases: ReadonlyMap<string, ReleaseRecord>
  /** Why the life of its chassis did not take an instance up, when that was last tried. */
  readonly refusalOf: (instance: string) => PurlinError | undefined
}
