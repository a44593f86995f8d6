import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Progress } from '../../setup/progress.ts'
import { setUpPackages } from '../../setup/set-up.ts'
import { benchEc } from './bench.ts'
import { benchFolder } from './build.ts'
import { drawChart } from './chart.ts'
import { readEcOptions } from './options.ts'
import { reportLines } from './report.ts'
import { runOwnWorker } from './run-worker.ts'

/** `./purlin bench ec`: standard output carries the table or the JSON alone. A missed goal is a
 *  figure and no error; wrong bytes of any side are one. */
export async function runBenchEc(words: readonly string[], signal: AbortSignal): Promise<number> {
  const options = readEcOptions(words)
  if (options.worker) return await runOwnWorker(signal)
  const progress = new Progress()
  await setUpPackages({ yes: options.yes, sets: ['benchmark'], progress })
  const bench = await benchEc(options, progress, signal)
  const picture = join(benchFolder, 'rates.svg')
  const figures = join(benchFolder, 'figures.json')
  const json = `${JSON.stringify(bench, null, 2)}\n`
  await mkdir(benchFolder, { recursive: true })
  await writeFile(picture, drawChart(bench))
  await writeFile(figures, json)
  process.stdout.write(options.output === 'json' ? json : `${reportLines(bench).join('\n')}\n`)
  progress.note(`picture: ${picture}`)
  progress.note(`figures: ${figures}`)
  return bench.wrong.length === 0 ? 0 : 1
}
