import type { Problem } from '@purlin/base'
import type { DiscoveryReport, ReportedDisk, SpecOf } from '@purlin/schema'
import type { ChosenDisk } from '../layout.ts'
import { plainWwn, stableNameOf } from './stable-name.ts'

type DiskMatch = SpecOf<'DeploymentTemplate'>['disks'][number]['match']
type DiskRules = readonly { readonly match: DiskMatch }[]

const GIB = 1_073_741_824

/** One disk for each rule, or the reasons why not. Rules that name a serial number or a WWN choose
 *  first, then the others in the template’s order, each among what is left. A rule that fits
 *  several disks must say smallest or largest: a guess could wipe the wrong one. Equal sizes are
 *  told apart by the disks’ own names, so the same chassis gives the same answer whatever the
 *  kernel called them. Removable and read-only disks are taken only when named. Pure. */
export function chooseDisks(
  rules: DiskRules,
  report: DiscoveryReport,
): { readonly chosen: readonly (ChosenDisk | undefined)[]; readonly problems: readonly Problem[] } {
  const order = rules
    .map((_, index) => index)
    .toSorted((one, other) => Number(!isNamed(rules[one])) - Number(!isNamed(rules[other])))
  const chosen: (ChosenDisk | undefined)[] = rules.map(() => undefined)
  const problems: Problem[] = []
  const taken = new Set<ReportedDisk>()
  for (const index of order) {
    const match = rules[index]?.match ?? {}
    const path = `disks[${index}].match`
    const free = report.disks.filter((disk) => !taken.has(disk))
    const found = chooseOne(match, free)
    if ('reason' in found) {
      problems.push({ path, message: found.reason })
      continue
    }
    taken.add(found.disk)
    const link = stableNameOf(found.disk)
    if (link === undefined) {
      const message = `${titleOf(found.disk)} tells neither WWN nor serial number, so it could be`
      problems.push({ path, message: `${message} mistaken for another after a restart` })
      continue
    }
    chosen[index] = { reported: found.disk, link }
  }
  return { chosen, problems: problems.toSorted(byPath) }
}

function isNamed(rule: DiskRules[number] | undefined): boolean {
  return rule?.match.serial !== undefined || rule?.match.wwn !== undefined
}

function chooseOne(
  match: DiskMatch,
  free: readonly ReportedDisk[],
): { readonly disk: ReportedDisk } | { readonly reason: string } {
  const refusals = free.map((disk) => ({ disk, reason: refusalOf(match, disk) }))
  const fitting = refusals.filter(({ reason }) => reason === undefined).map(({ disk }) => disk)
  const [first, ...others] = fitting.toSorted((one, other) => {
    const bySize = one.sizeBytes - other.sizeBytes
    return (match.largest === true ? -bySize : bySize) || byIdentity(one, other)
  })
  if (first === undefined) {
    const told = refusals.slice(0, 8).map(({ disk, reason }) => `${titleOf(disk)} ${reason}`)
    const rest = told.length < refusals.length ? ` and ${refusals.length - told.length} more` : ''
    return { reason: `no free disk fits: ${told.join('; ') || 'none is left'}${rest}` }
  }
  if (others.length > 0 && match.smallest !== true && match.largest !== true) {
    const names = fitting.slice(0, 8).map(titleOf).join(', ')
    const advice = 'add smallest, largest, a serial number or a WWN'
    return { reason: `${fitting.length} disks fit (${names}); ${advice}` }
  }
  return { disk: first }
}

function refusalOf(match: DiskMatch, disk: ReportedDisk): string | undefined {
  const named = match.serial !== undefined || match.wwn !== undefined
  if (disk.readOnly) return 'is read-only'
  if (disk.removable && !named) return 'is removable'
  if (disk.transport === 'usb' && !named) return 'is on USB'
  if (match.serial !== undefined && disk.serial?.trim() !== match.serial.trim()) {
    return 'has another serial number'
  }
  if (match.wwn !== undefined && plainWwn(disk.wwn ?? '') !== plainWwn(match.wwn)) {
    return 'has another WWN'
  }
  if (match.media !== undefined && disk.media !== match.media) return `is no ${match.media}`
  if (disk.sizeBytes < (match.minSizeGiB ?? 0) * GIB) return 'is too small'
  if (disk.sizeBytes > (match.maxSizeGiB ?? Number.POSITIVE_INFINITY) * GIB) return 'is too large'
  return undefined
}

/** A disk as a reason names it: what its label says, then what the kernel called it. */
function titleOf(disk: ReportedDisk): string {
  const size = `${Math.round((disk.sizeBytes / GIB) * 10) / 10} GiB`
  return `${disk.serial ?? disk.wwn ?? 'a disk without serial number'} (${disk.name}, ${size})`
}

function byIdentity(one: ReportedDisk, other: ReportedDisk): number {
  return compare(identityOf(one), identityOf(other))
}

function identityOf(disk: ReportedDisk): string {
  return `${plainWwn(disk.wwn ?? '')} ${disk.serial ?? ''} ${stableNameOf(disk) ?? ''}`
}

function byPath(one: Problem, other: Problem): number {
  return Number(/\d+/.exec(one.path)?.[0]) - Number(/\d+/.exec(other.path)?.[0])
}

function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
