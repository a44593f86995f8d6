import { join } from 'node:path'
import { cargoBuild } from '../../native/cargo.ts'
import { repository } from '../../repository.ts'
import type { Progress } from '../../setup/progress.ts'
import { type BenchWords, runPrivateBench } from '../private.ts'
import { netfilterFindings } from './findings.ts'
import { reportLines } from './report.ts'

const BLAST = join(repository, 'target/release/blast')

/** `./purlin bench netfilter`. Everything is measured in a private host, which needs root. */
export async function runNetfilterBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const bench = {
    name: 'netfilter',
    roundsDefault: 9,
    sets: ['sandbox', 'build', 'firewalls'],
    prepare: async (progress: Progress) =>
      await progress.step('frame sender built', () =>
        cargoBuild(repository, ['--package', 'purlin-blast'], {}),
      ),
    inside: join(import.meta.dirname, 'inside.ts'),
    order: ({ rounds, quick }: BenchWords) => ({ rounds, quick, blast: BLAST }),
    findings: netfilterFindings,
    lines: reportLines,
    timeoutMs: 60 * 60_000,
  } as const
  return await runPrivateBench(bench, words, signal)
}
