import type { Cell } from '../output/table.ts'
import type { Tone } from '../output/tone.ts'

const NEARLY_FULL = 0.8
const FULL = 0.95

/** How full something is, as a bar of as many cells with its percent: `████······  40 %`. A part
 *  beyond 1 fills the bar, and the percent says how much it is. Pure. */
export function barCell(part: number, cells: number): Exclude<Cell, string> {
  const filled = Math.max(0, Math.min(cells, Math.round(part * cells)))
  const tone: Tone = part < NEARLY_FULL ? 'good' : part < FULL ? 'careful' : 'bad'
  const bar = '█'.repeat(filled) + '·'.repeat(cells - filled)
  return { text: `${bar} ${`${Math.round(part * 100)} %`.padStart(5)}`, tone }
}

/** A part of a whole; of nothing it is nothing. Pure. */
export function partOf(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
