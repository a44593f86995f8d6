import { sizeText } from '../output/byte-progress.ts'
import type { PoolStatus, SeenDistances } from './pool-health.ts'

const DISTANCES = [
  ['server', 'within a server'],
  ['rack', 'within a rack'],
  ['room', 'within a room'],
  ['across', 'across rooms'],
] as const

/** How the moving of a pool's stripes is going: how much is done, how far bytes went beside the
 *  least that any placement would have to move, how evenly disks take part. Pure. */
export function movingText({ moving, disks = [] }: PoolStatus): readonly string[] {
  if (moving === undefined) return []
  const { rebalance, movedBytes, leastBytes, rebuiltBytes, rewrittenBytes, plannedBytes } = moving
  const done = sum(movedBytes) + rebuiltBytes
  const progress =
    plannedBytes === 0
      ? ''
      : `, ${sizeText(done)} of ${sizeText(plannedBytes)} (${percent(done, plannedBytes)})`
  const words = { idle: 'none', running: 'running', paused: 'paused', held: 'none, held' }[
    rebalance
  ]
  const lines = [`rebalance: ${words}${progress}`]
  const far = DISTANCES.filter(([key]) => movedBytes[key] + leastBytes[key] > 0)
  if (far.length > 0) {
    const parts = far.map(
      ([key, text]) => `${text} ${sizeText(movedBytes[key])} (least ${sizeText(leastBytes[key])})`,
    )
    lines.push(`moved: ${parts.join(', ')}`)
  }
  if (rebuiltBytes + rewrittenBytes > 0) {
    lines.push(`rebuilt: ${sizeText(rebuiltBytes)}; written anew: ${sizeText(rewrittenBytes)}`)
  }
  const spread = spreadOf(disks.map(({ movedBytes: bytes = 0 }) => bytes))
  if (spread !== undefined) lines.push(`busiest disk over the mean: ${spread.toFixed(2)}`)
  return lines
}

function sum(bytes: SeenDistances): number {
  return bytes.server + bytes.rack + bytes.room + bytes.across
}

function percent(done: number, planned: number): string {
  return `${Math.min(100, Math.floor((done / planned) * 100))} %`
}

function spreadOf(bytes: readonly number[]): number | undefined {
  const total = bytes.reduce((all, one) => all + one, 0)
  return total === 0 ? undefined : (Math.max(...bytes) * bytes.length) / total
}
