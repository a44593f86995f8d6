import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PrivateHost } from '../../sandbox/host.ts'
import { startSwitch, switchSocket } from '../../sandbox/switch.ts'
import { type BenchWords, runPrivateBench } from '../private.ts'
import { switchFindings } from './findings.ts'
import { reportLines } from './report.ts'

/** `./purlin bench switch`. Everything is measured in a private host, which needs root. */
export async function runSwitchBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const bench = {
    name: 'switch',
    sets: ['sandbox', 'build', 'firewalls', 'fleet'],
    inside: join(import.meta.dirname, 'inside.ts'),
    order: async ({ quick }: BenchWords, host: PrivateHost) => {
      await startSwitch(host)
      const runFolder = join(host.paths.switch, 'services')
      await mkdir(runFolder, { recursive: true })
      return { socket: switchSocket(host), runFolder, quick }
    },
    findings: switchFindings,
    lines: reportLines,
    timeoutMs: 30 * 60_000,
  } as const
  return await runPrivateBench(bench, words, signal)
}
