import { type DiskIdentity, type ImageStep, stableNameOf } from '@purlin/deployment-template'
import type { DiscoveryReport, EraseDepth, ReportedDisk } from '@purlin/schema'

/** What the discovery system is told to do (docs/bare-metal.md). */
export type Order =
  | { readonly order: 'wait' }
  | { readonly order: 'image'; readonly steps: readonly ImageStep[] }
  | {
      readonly order: 'erase'
      readonly how: EraseDepth
      readonly disks: readonly DiskIdentity[]
    }
  | { readonly order: 'rescue'; readonly sshKeys: readonly string[] }
  | { readonly order: 'power-off' }
  | { readonly order: 'restart' }

/** The disks that an erasure is of: every one that an instance could have written to. `unnamed`
 *  are those that tell nothing by which they could be told from another. Pure. */
export function disksToErase(report: DiscoveryReport): {
  readonly disks: readonly DiskIdentity[]
  readonly unnamed: readonly string[]
} {
  const own = report.disks.filter(
    ({ removable, readOnly, transport }) => !removable && !readOnly && transport !== 'usb',
  )
  return {
    disks: own.flatMap((disk) => identityOf(disk) ?? []),
    unnamed: own.filter((disk) => stableNameOf(disk) === undefined).map(({ name }) => name),
  }
}

function identityOf(disk: ReportedDisk): DiskIdentity | undefined {
  const link = stableNameOf(disk)
  if (link === undefined) return undefined
  const { serial, wwn, sizeBytes } = disk
  return {
    link,
    ...(serial !== undefined && { serial }),
    ...(wwn !== undefined && { wwn }),
    sizeBytes,
  }
}
