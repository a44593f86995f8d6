import { join } from 'node:path'
import { type BenchWords, runPrivateBench } from '../private.ts'
import { httpFindings } from './http-findings.ts'
import { httpLines } from './http-report.ts'

/** `./purlin bench baremetal http`: files of the boot service to 16 clients beside nginx, in a
 *  private host, which needs root. */
export async function runHttpBench(words: readonly string[], signal: AbortSignal): Promise<number> {
  const bench = {
    name: 'baremetal http',
    roundsDefault: 7,
    sets: ['sandbox', 'bareMetal', 'bareMetalLong', 'fleet'],
    inside: join(import.meta.dirname, 'http-inside.ts'),
    order: ({ rounds, quick }: BenchWords) => ({
      rounds: quick ? Math.min(rounds, 3) : rounds,
      clients: 16,
      fileMib: quick ? 64 : 128,
      repeats: quick ? 1 : 3,
    }),
    findings: httpFindings,
    lines: httpLines,
    timeoutMs: 20 * 60_000,
  } as const
  return await runPrivateBench(bench, words, signal)
}
