import { sizeText } from '../output/byte-progress.ts'
import { type Cell, renderTable } from '../output/table.ts'

// The library is loaded on demand, its types too.
type CacheLayer = import('@purlin/cache-native').CacheLayer

const PAGE_BYTES = 4096

/** The caches of a pool, a line for each slow disk, what is lost, which disks have none. Pure. */
export function layersText(
  layers: readonly CacheLayer[],
  colours: boolean,
  uncachedDisks: readonly string[] = [],
): string {
  const table = {
    columns: ['DISK', 'MODE', 'PHASE', 'CACHED', 'DIRTY', 'HITS', 'SSDS', 'ERRORS', 'WRITTEN'],
    rows: layers.map(cellsOf),
    empty: 'no cache',
  }
  const lost = layers.filter(({ lostBytes }) => lostBytes > 0)
  return renderTable(table, colours) + lost.map(lostText).join('') + uncachedText(uncachedDisks)
}

function uncachedText(disks: readonly string[]): string {
  if (disks.length === 0) return ''
  return `without a cache, since they came while the pool was in use: ${disks.join(' ')}\n`
}

function cellsOf(layer: CacheLayer): readonly Cell[] {
  const { origin, mode, phase, error, sizeBytes, cachedBytes, dirtyBytes } = layer
  const bad = phase === 'refused' || layer.lostBytes > 0
  const used = layer.devicesInUse
  return [
    origin,
    mode,
    { text: error === null ? phase : `${phase}: ${error.message}`, tone: bad ? 'bad' : undefined },
    `${sizeText(cachedBytes)} of ${sizeText(sizeBytes)}`,
    sizeText(dirtyBytes),
    hitText(layer),
    {
      text: `${used} of ${layer.devices.length}`,
      tone: phase === 'running' && used < layer.devices.length ? 'bad' : undefined,
    },
    `${layer.deviceErrors}`,
    sizeText(layer.deviceWrittenBytes),
  ]
}

function hitText({ readPages, missedPages }: CacheLayer): string {
  if (readPages === 0) return '-'
  return `${((1 - Math.min(1, missedPages / readPages)) * 100).toFixed(1)} %`
}

/** Ranges of lost pages, neighbours together. */
function lostText({ origin, lostBytes, lostOffsets }: CacheLayer): string {
  const ranges: { from: number; to: number }[] = []
  for (const offset of lostOffsets) {
    const last = ranges.at(-1)
    if (last?.to === offset) last.to = offset + PAGE_BYTES
    else ranges.push({ from: offset, to: offset + PAGE_BYTES })
  }
  const words = ranges.map(({ from, to }) => `${from}+${to - from}`).join(' ')
  return `lost of ${origin}: ${sizeText(lostBytes)}, errors until written again: ${words}\n`
}
