import { sizeText } from '../output/byte-progress.ts'
import { type Cell, renderTable } from '../output/table.ts'

// The library is loaded on demand, its types too.
type SimulationOutcome = import('@purlin/cache-native').SimulationOutcome
type SimulationRow = import('@purlin/cache-native').SimulationRow

const BAR_WIDTH = 40

/** What the policies did, best first at each size, with a bar for the misses of each. The optimum
 *  knows the future and stands last. Pure. */
export function simulationText(
  { requests, distinctPages, rows }: SimulationOutcome,
  trace: string,
  colours: boolean,
): string {
  const percents = [...new Set(rows.map(({ percent }) => percent))]
  const head = `${trace}: ${requests} requests for ${distinctPages} pages\n`
  const parts = percents.map((percent) => {
    const ofSize = rows.filter((row) => row.percent === percent)
    const table = {
      columns: ['POLICY', 'MISSES', 'FLASH WRITES', 'METADATA', 'MISSES OF ALL REQUESTS'],
      rows: inOrder(ofSize).map((row) => cellsOf(row)),
      empty: 'no policy',
    }
    return `\ncache of ${percent} % of the pages\n${renderTable(table, colours)}`
  })
  return head + parts.join('')
}

function inOrder(rows: readonly SimulationRow[]): readonly SimulationRow[] {
  const key = ({ policy, missRatio }: SimulationRow) => (policy === 'belady' ? 2 : missRatio)
  return rows.toSorted((one, other) => key(one) - key(other))
}

function cellsOf(row: SimulationRow): readonly Cell[] {
  const { policy, missRatio, flashWritesPerRequest, metadataBytes } = row
  const tone = policy === 'purlin' ? 'good' : undefined
  return [
    { text: policy, tone },
    missRatio.toFixed(4),
    flashWritesPerRequest.toFixed(4),
    sizeText(metadataBytes),
    { text: '█'.repeat(Math.round(missRatio * BAR_WIDTH)) || '▏', tone },
  ]
}
