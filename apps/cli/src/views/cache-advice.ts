import { sizeText } from '../output/byte-progress.ts'
import { type Cell, renderTable } from '../output/table.ts'

// The library is loaded on demand, its types too.
type AdviceOutcome = import('@purlin/cache-native').AdviceOutcome
type AdviceRow = import('@purlin/cache-native').AdviceRow

const BAR_WIDTH = 40

/** What each size and mode would do, with a bar for the requests that the disk is spared, and the
 *  size beyond which little more is won. Pure. */
export function adviceText(
  { requests, distinctPages, rows }: AdviceOutcome,
  knees: readonly AdviceRow[],
  trace: string,
  colours: boolean,
): string {
  const head = `${trace}: ${requests} requests for ${distinctPages} pages\n`
  const parts = [...new Set(rows.map(({ mode }) => mode))].map((mode) => {
    const knee = knees.find((row) => row.mode === mode)
    const table = {
      columns: ['SSD', 'PAGES', 'READ HITS', 'FLASH WRITES', 'SPARED', 'THE DISK IS SPARED'],
      rows: rows.filter((row) => row.mode === mode).map((row) => cellsOf(row, row === knee)),
      empty: 'no size',
    }
    const advice =
      knee === undefined
        ? 'no size spares the disk anything'
        : `more than ${sizeText(knee.sizeBytes)} gains little`
    return `\n${mode}: ${advice}\n${renderTable(table, colours)}`
  })
  return head + parts.join('')
}

function cellsOf(row: AdviceRow, isKnee: boolean): readonly Cell[] {
  const spared = Math.max(0, 1 - row.diskRequestsPerRequest)
  const tone = isKnee ? 'good' : undefined
  return [
    { text: sizeText(row.sizeBytes), tone },
    `${row.percent} %`,
    `${(row.hitRatio * 100).toFixed(1)} %`,
    row.flashWritesPerRequest.toFixed(3),
    `${(spared * 100).toFixed(1)} %`,
    { text: `${'█'.repeat(Math.round(spared * BAR_WIDTH)) || '▏'}${isKnee ? ' ◀' : ''}`, tone },
  ]
}
