import type { Resource } from '@purlin/schema'
import { sizeText } from '../output/byte-progress.ts'
import { oneLine } from '../output/table.ts'
import { coloured, type Tone } from '../output/tone.ts'
import { ageText, readyCell } from '../output/words.ts'
import { type PoolStatus, poolStatus, type SeenDisk, type SeenScrubbing } from './pool-health.ts'
import { movingText } from './pool-moving.ts'

const BAR_CELLS = 20
const NEARLY_FULL = 0.8
const FULL = 0.95

interface Branch {
  readonly name: string
  readonly below: Map<string, Branch>
  readonly disks: SeenDisk[]
}

/** A pool as it is: its health, then where its disks stand and how full they are. Pure. */
export function poolPicture(
  pool: Resource<'StoragePool'>,
  nowMs: number,
  colours: boolean,
): string {
  const seen = poolStatus(pool)
  const top: Branch = { name: '', below: new Map(), disks: [] }
  for (const disk of seen.disks ?? []) place(top, disk)
  const width = Math.max(0, ...(seen.disks ?? []).map(({ name }) => name.length))
  return [...heading(pool, seen, nowMs, colours), ...drawn(top, '', width, colours), ''].join('\n')
}

function heading(
  pool: Resource<'StoragePool'>,
  seen: PoolStatus,
  nowMs: number,
  colours: boolean,
): string[] {
  const ready = readyCell(pool)
  const health = typeof ready === 'string' ? ready : coloured(ready.text, ready.tone, colours)
  const { usedBytes = 0, sizeBytes = 0, shortStripes = 0, repairedChunks = 0 } = seen
  const message = pool.status.conditions.find(({ type }) => type === 'Ready')?.message ?? ''
  return [
    `${pool.name}  ${seen.policy ?? 'not seen'}  ready: ${health}  ${oneLine(message)}`,
    `used ${sizeText(usedBytes)} of ${sizeText(sizeBytes)}  ${provisionedText(pool, seen)}`,
    shortStripes === 0
      ? `recovery: nothing to do${repairedText(repairedChunks)}`
      : coloured(
          `recovery: ${shortStripes} stripes lack shards, at speed ${pool.spec.recovery.speed}${repairedText(repairedChunks)}`,
          'careful',
          colours,
        ),
    scrubText(seen, nowMs, colours),
    ...movingText(seen),
    ...mixedText(seen.disks ?? []),
  ]
}

/** Disks of several kinds work together, as slow as the slowest of a stripe's. */
function mixedText(disks: readonly SeenDisk[]): string[] {
  const kinds = [...new Set(disks.flatMap(({ media }) => media ?? []))].toSorted()
  return kinds.length < 2 ? [] : [`warning: its disks are of several kinds: ${kinds.join(', ')}`]
}

function provisionedText(
  { spec }: Resource<'StoragePool'>,
  { provisionedBytes = 0, usableBytes = 0 }: PoolStatus,
): string {
  const ratio = usableBytes === 0 ? 0 : provisionedBytes / usableBytes
  const limit = spec.capacity.provisionAtMost
  const most = limit === undefined ? '' : `, at most ${limit}`
  return `provisioned ${sizeText(provisionedBytes)} (${ratio.toFixed(2)} of the ${sizeText(usableBytes)} it can hold${most})`
}

function repairedText(chunks: number): string {
  return chunks === 0 ? '' : `; ${chunks} bad chunks repaired`
}

function scrubText({ scrub, scrubbing }: PoolStatus, nowMs: number, colours: boolean): string {
  const ago = (atMs: number | undefined): string =>
    atMs === undefined ? 'not yet' : `${ageText(nowMs - atMs)} ago`
  const { metadataAtMs, deepAtMs, running, last } = scrub ?? {}
  const far = scrubbing === undefined ? '' : `, ${farText(scrubbing)}`
  const now =
    running === undefined
      ? ''
      : `; a ${running.deep ? 'deep scrub' : 'scrub'} runs for ${ageText(nowMs - running.startedAtMs)}${far}`
  const text = `scrubbed: metadata ${ago(metadataAtMs)}, deep ${ago(deepAtMs)}${now}`
  const lost = last?.lost ?? 0
  return lost === 0 ? text : `${text}; ${coloured(`${lost} stripes lost`, 'bad', colours)}`
}

function farText({ walkedBytes, plannedBytes, paused }: SeenScrubbing): string {
  const part = plannedBytes === 0 ? 1 : walkedBytes / plannedBytes
  return `${Math.min(100, Math.floor(part * 100))} % done${paused ? ', paused' : ''}`
}

function place(top: Branch, disk: SeenDisk): void {
  let at = top
  for (const name of disk.domains) {
    // The level of disks has the disk itself as its last domain.
    if (name === `disk ${disk.name}`) continue
    const next = at.below.get(name) ?? { name, below: new Map(), disks: [] }
    at.below.set(name, next)
    at = next
  }
  at.disks.push(disk)
}

function drawn(at: Branch, indent: string, width: number, colours: boolean): readonly string[] {
  const lines = [
    ...[...at.below.values()].map((branch) => ({ text: oneLine(branch.name), branch })),
    ...at.disks.map((disk) => ({ text: diskLine(disk, width, colours), branch: undefined })),
  ]
  return lines.flatMap(({ text, branch }, index) => {
    const last = index === lines.length - 1
    const own = `${indent}${last ? '└─ ' : '├─ '}${text}`
    const next = `${indent}${last ? '   ' : '│  '}`
    return [own, ...(branch === undefined ? [] : drawn(branch, next, width, colours))]
  })
}

function diskLine(disk: SeenDisk, width: number, colours: boolean): string {
  const { name, state, sizeBytes, usedBytes, errors } = disk
  const part = sizeBytes === 0 ? 0 : usedBytes / sizeBytes
  const cells = Math.min(BAR_CELLS, Math.round(part * BAR_CELLS))
  const bar = '█'.repeat(cells) + '·'.repeat(BAR_CELLS - cells)
  const tone: Tone = part < NEARLY_FULL ? 'good' : part < FULL ? 'careful' : 'bad'
  const percent = `${Math.round(part * 100)} %`.padStart(5)
  const health = coloured(state, state === 'online' ? 'good' : 'bad', colours)
  const counted = errors === 0 ? '' : `  ${errors} errors`
  const label = oneLine(name).padEnd(width)
  return `${label}  ${coloured(bar, tone, colours)} ${percent} of ${sizeText(sizeBytes)}  ${health}${counted}`
}
