import { sizeText } from '../output/byte-progress.ts'
import { renderTable } from '../output/table.ts'

// The library is loaded on demand, its types too.
type EncodedFile = import('@purlin/ec-native').EncodedFile
type EncodedFileResult = import('@purlin/ec-native').EncodedFileResult
type DecodedFileResult = import('@purlin/ec-native').DecodedFileResult
type RepairResult = import('@purlin/ec-native').RepairResult
type ShardReport = import('@purlin/ec-native').ShardReport
type VerifyReport = import('@purlin/ec-native').VerifyReport

const TONES = { good: 'good', damaged: 'bad', missing: 'bad' } as const

/** What was made of a file. Pure. */
export function encodedText(result: EncodedFileResult, file: string, colours: boolean): string {
  const rows = result.paths.map((path, shard) => [String(shard), roleOf(result, shard), path])
  const table = { columns: ['SHARD', 'ROLE', 'FILE'], rows, empty: 'no shard' }
  return `${file}: ${encodingText(result)}, ${result.stripes} stripes\n${renderTable(table, colours)}`
}

/** What verification found. Pure. */
export function verifyText(report: VerifyReport, colours: boolean): string {
  const rows = report.shards.map((shard) => [
    String(shard.shard),
    shard.role,
    { text: shard.state, tone: TONES[shard.state] },
    shard.path ?? '-',
    foundText(shard),
  ])
  const table = { columns: ['SHARD', 'ROLE', 'STATE', 'FILE', 'FOUND'], rows, empty: 'no shard' }
  return `${renderTable(table, colours)}${encodingText(report)}: ${verdictText(report)}\n`
}

/** What repair did. Pure. */
export function repairText({ found, repaired }: RepairResult): string {
  if (repaired.length === 0) return `${encodingText(found)}: every shard is good; nothing to do\n`
  return repaired.map(({ shard, path }) => `shard ${shard} written: ${path}\n`).join('')
}

/** What was joined. Pure. */
export function decodedText({ path, fileBytes, badShards, rebuiltStripes }: DecodedFileResult) {
  const bad = badShards.length === 0 ? '' : `; shards missing or damaged: ${badShards.join(', ')}`
  const rebuilt = rebuiltStripes === 0 ? '' : `; ${rebuiltStripes} stripes rebuilt`
  return `${path}: ${sizeText(fileBytes)}${bad}${rebuilt}\n`
}

function verdictText({ whole, recoverable, lostStripeCount, lostStripes }: VerifyReport): string {
  if (whole) return 'every shard is good'
  if (recoverable) return 'damaged, and every byte can be brought back: purlin ec repair'
  const shown = lostStripes.join(', ')
  const more = lostStripeCount > lostStripes.length ? ', …' : ''
  return `damaged beyond repair in ${lostStripeCount} stripes: ${shown}${more}`
}

function foundText({ wrong, faultCount, faults }: ShardReport): string {
  const [first] = faults
  const texts = [
    ...(wrong === null ? [] : [wrong]),
    ...(first === undefined
      ? []
      : [`stripe ${first.stripe} at byte ${first.offset}: ${first.what}`]),
    ...(faultCount > 1 ? [`and ${faultCount - 1} more`] : []),
  ]
  return texts.join('; ')
}

function encodingText({ dataShards, parityShards, technique, fileBytes }: EncodedFile): string {
  return `${sizeText(fileBytes)} as ${dataShards}+${parityShards} (${technique})`
}

function roleOf({ dataShards }: EncodedFile, shard: number): string {
  return shard < dataShards ? 'data' : 'parity'
}
