import { join } from 'node:path'
import { repository } from '../../repository.ts'
import { type BenchWords, runPrivateBench } from '../private.ts'
import { serviceFindings } from './findings.ts'
import { reportLines } from './report.ts'

/** `./purlin bench services`: DHCP of a port group against a plain dnsmasq, in a private host,
 *  which needs root. */
export async function runServicesBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const bench = {
    name: 'services',
    roundsDefault: 7,
    sets: ['sandbox'],
    inside: join(import.meta.dirname, 'inside.ts'),
    order: ({ rounds, quick }: BenchWords) => ({
      rounds: quick ? Math.min(rounds, 3) : rounds,
      roundMs: quick ? 1_500 : 5_000,
      reservations: 1_000,
      slots: 16,
      client: join(repository, 'libs/vswitch/tests/support/dhcp-load.ts'),
    }),
    findings: serviceFindings,
    lines: reportLines,
    timeoutMs: 20 * 60_000,
  } as const
  return await runPrivateBench(bench, words, signal)
}
