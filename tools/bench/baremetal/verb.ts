import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { runPrivateBench } from '../private.ts'
import { bmcFindings, memoryFindings, roadFindings } from './findings.ts'
import { bmcLines, memoryLines, roadLines } from './report.ts'

const MINUTE_MS = 60_000
const SETS = ['sandbox', 'bareMetal', 'bareMetalLong', 'fleet'] as const
const CHASSIS = 1_000

type Part = (words: readonly string[], signal: AbortSignal) => Promise<number>

const inside = (name: string): string => join(import.meta.dirname, `${name}-inside.ts`)

function road(installs: 'image' | 'media', minutes: number): Part {
  return (words, signal) =>
    runPrivateBench(
      {
        ...{ name: `baremetal ${installs}`, sets: SETS, inside: inside('road') },
        order: () => ({ installs }),
        ...{ findings: roadFindings, lines: roadLines, timeoutMs: minutes * MINUTE_MS },
      },
      words,
      signal,
    )
}

/** What is measured, each by its name. */
const parts: Readonly<Record<string, Part>> = {
  image: road('image', 40),
  bmc: (words, signal) =>
    runPrivateBench(
      {
        ...{ name: 'baremetal bmc', sets: SETS, inside: inside('bmc') },
        order: ({ quick }) => ({ calls: quick ? 20 : 100 }),
        ...{ findings: bmcFindings, lines: bmcLines, timeoutMs: 10 * MINUTE_MS },
      },
      words,
      signal,
    ),
  memory: (words, signal) =>
    runPrivateBench(
      {
        ...{ name: 'baremetal memory', sets: SETS, inside: inside('memory') },
        order: ({ quick }) => ({ chassis: quick ? CHASSIS / 10 : CHASSIS }),
        ...{ findings: memoryFindings, lines: memoryLines, timeoutMs: 60 * MINUTE_MS },
      },
      words,
      signal,
    ),
  http: async (words, signal) => (await import('./http-verb.ts')).runHttpBench(words, signal),
  installer: road('media', 90),
}

/** `./purlin bench baremetal [image|bmc|memory|http|installer]`: every part but the installer,
 *  which takes half an hour, unless one is named or `--installer` is given. Needs root. */
export async function runBaremetalBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const [first = ''] = words
  if (Object.hasOwn(parts, first)) return (await parts[first]?.(words.slice(1), signal)) ?? 1
  if (first !== '' && !first.startsWith('-')) {
    const known = Object.keys(parts).join(', ')
    const message = `bench baremetal ${first}? there are: ${known}`
    throw new PurlinError('PUR_INVALID', { message, context: { usage: true } })
  }
  const rest = words.filter((word) => word !== '--installer')
  const names = Object.keys(parts).filter(
    (name) => name !== 'installer' || words.includes('--installer'),
  )
  for (const name of names) await parts[name]?.(rest, signal)
  return 0
}
