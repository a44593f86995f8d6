import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { runInLab } from '../../../kernel-lab/lab.ts'
import { repository } from '../../../repository.ts'
import type { KernelOptions, KernelRun } from './measure.ts'

const FOLDER = 'tools/bench/cache/kernel'
const GUEST_MS = 7_200_000

/** Runs the kernel’s caches and ours in one guest of the kernel lab, each on the same requests. */
export async function compareWithKernel(
  options: KernelOptions,
  signal: AbortSignal,
): Promise<readonly KernelRun[]> {
  const guest = join(repository, FOLDER, 'guest.ts')
  const words = ['--conditions=purlin-source', guest, JSON.stringify(options)]
  const { exitCode, output } = await runInLab({
    command: [process.execPath, ...words],
    folder: repository,
    warm: [`${FOLDER}/measure.ts`],
    timeoutMs: GUEST_MS,
    signal,
  })
  const runs = runsOf(output)
  if (exitCode === 0) return runs
  throw new PurlinError('PUR_EXEC_FAILED', {
    message: `the comparison ended with ${exitCode} after ${runs.length} runs: ${output.slice(-4_000)}`,
  })
}

/** The runs among what a guest printed. Pure. */
export function runsOf(output: string): readonly KernelRun[] {
  const lines = output.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line) as KernelRun)
}
