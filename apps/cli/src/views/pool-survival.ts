import { sizeText } from '../output/byte-progress.ts'
import { type Cell, renderTable } from '../output/table.ts'
import type { NamedPool } from '../pool-manifest.ts'
import { poolTree } from './pool-tree.ts'

type SurvivalAt = import('@purlin/block-native').SurvivalAt

/** Where a pool's stripes lie, and what they survive; places by their names. */
export interface PoolExplanation {
  readonly pool: string
  readonly policy: string
  readonly faultDomain: string
  readonly placementGroups: number
  readonly diskSets: number
  readonly tableBytes: number
  readonly usableBytes: number
  readonly bestUsableBytes: number
  readonly disks: readonly {
    readonly name: string
    readonly capacityBytes: number
    readonly placementGroups: number
    /** The part of it that is full when the first disk of the pool is. */
    readonly fill: number
  }[]
  readonly survival: readonly NamedSurvival[]
  readonly rebuild:
    | {
        readonly possible: true
        readonly lost: string
        readonly spread: number
        readonly leastSpread: number
      }
    | { readonly possible: false; readonly reason: string }
}

export type NamedSurvival = Omit<SurvivalAt, 'fatal' | 'largest'> & {
  readonly fatal: readonly string[]
  readonly largest: readonly string[]
}

/** The picture, the table of failures, the rebuild. Pure. */
export function explanationText(
  explanation: PoolExplanation,
  pool: NamedPool,
  colours: boolean,
): string {
  const { policy, faultDomain, placementGroups, diskSets } = explanation
  const fills = new Map(explanation.disks.map(({ name, fill }) => [name, fill]))
  const { usableBytes, bestUsableBytes } = explanation
  return [
    `pool ${explanation.pool}: ${policy} over ${faultDomain}s, ${placementGroups} placement groups`,
    ` on ${diskSets === 1 ? '1 set' : `${diskSets} different sets`} of disks\n\n`,
    poolTree(pool, fills, colours),
    `\nusable: ${sizeText(usableBytes)}; the most that any placement could store:`,
    ` ${sizeText(bestUsableBytes)}\n\n`,
    survivalTable(explanation.survival, colours),
    `\n${rebuildText(explanation.rebuild)}\n`,
  ].join('')
}

/** The table of failures. Pure. */
export function survivalTable(survival: readonly NamedSurvival[], colours: boolean): string {
  const columns = ['FAILURES OF', 'THERE', 'ALWAYS SURVIVED', 'MOST SURVIVED', 'TOO MUCH']
  return renderTable({ columns, rows: survival.map(rowOf), empty: '' }, colours)
}

function rowOf(at: NamedSurvival): readonly Cell[] {
  return [
    `${at.level}s`,
    String(at.domains),
    { text: alwaysText(at), tone: at.any === 0 ? 'bad' : 'good' },
    mostText(at),
    { text: fatalText(at), tone: 'careful' },
  ]
}

/** Any so many; and how many disks more beside the last of them. */
function alwaysText({ any, level, disksBeside, domains }: NamedSurvival): string {
  if (any === domains) return 'all'
  if (any === 0) return 'none'
  const beside = level === 'disk' ? 0 : (disksBeside[any] ?? 0)
  return `any ${any}${beside > 0 ? ` and ${beside} disk${beside === 1 ? '' : 's'} more` : ''}`
}

function mostText({ largest, largestAtMost }: NamedSurvival): string {
  const bound = largestAtMost > largest.length ? ` (never more than ${largestAtMost})` : ''
  return largest.length === 0 ? `none${bound}` : `${listText(largest)}${bound}`
}

function fatalText({ fatal, fatalSets }: NamedSurvival): string {
  if (fatal.length === 0) return 'nothing'
  const counted =
    fatalSets === undefined ? '' : ` (${fatalSets.count} of ${fatalSets.of} such sets)`
  return `${listText(fatal)}${counted}`
}

const SHOWN_MAX = 6

function listText(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_MAX).join(' ')
  return `${names.length}: ${shown}${names.length > SHOWN_MAX ? ' …' : ''}`
}

function rebuildText(rebuild: PoolExplanation['rebuild']): string {
  if (!rebuild.possible) {
    return `a lost disk is rebuilt when it is replaced, and not before: without it, ${rebuild.reason}`
  }
  const { lost, spread, leastSpread } = rebuild
  return (
    `a lost disk is rebuilt by all others: at worst (${lost}) the busiest one reads and writes ` +
    `${spread.toFixed(2)} times the mean, and no way is below ${leastSpread.toFixed(2)}`
  )
}
