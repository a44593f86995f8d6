import { readFile, rename, writeFile } from 'node:fs/promises'
import type { RunEnd } from './runs.ts'

/** A run of a machine as it is kept. */
export interface StoredRun {
  readonly generation: number
  readonly bootId: string
  readonly active: boolean
  /** When it was started for this generation, of late. */
  readonly startsMs: readonly number[]
  readonly ended?: RunEnd
  readonly endedAtMs?: number
}

const FORMAT = 1

/** The runs in a file, by the machines' ids. A file that is not there or cannot be understood holds
 *  none: each machine that should run is then started once. */
export async function readRuns(file: string): Promise<Map<string, StoredRun>> {
  const text = await readFile(file, 'utf8').catch(() => '{}')
  try {
    const { format, runs } = JSON.parse(text) as { format?: number; runs?: [string, StoredRun][] }
    return new Map(format === FORMAT ? runs : [])
  } catch {
    return new Map()
  }
}

/** Writes them, whole or not at all. A file that was lost in a crash of the host costs a policy its
 *  memory of one run, so that it is not waited for the disk. */
export async function writeRuns(file: string, runs: ReadonlyMap<string, StoredRun>): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, runs: [...runs] })}\n`
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}
