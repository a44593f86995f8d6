import { type Command, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { adviceText } from '../views/cache-advice.ts'
import { adviceSvg } from '../views/cache-advice-svg.ts'
import { percentList } from './cache-sim.ts'

interface AdviseFlags {
  readonly trace: string
  readonly format: 'lis' | 'csv' | 'oracle'
  readonly sizePercent: readonly number[]
}

const SIZES = [1, 2, 5, 10, 20, 40, 70, 100]

/** `purlin cache advise`; it works without an agent. */
export function addCacheAdvise(group: Command, cli: Cli): void {
  group
    .command('advise')
    .description('what an SSD of which size and mode would do for a trace; -o svg draws it')
    .requiredOption('--trace <file>', 'the trace, as cache record writes it; .zst is unpacked')
    .addOption(
      new Option('--format <name>', 'how the trace is written; as of cache sim')
        .choices(['lis', 'csv', 'oracle'])
        .default('csv'),
    )
    .option('--size-percent <list>', 'sizes, percent of the distinct pages', percentList, SIZES)
    .action((flags: AdviseFlags) => advise(cli, flags))
}

async function advise(cli: Cli, { trace, format, sizePercent }: AdviseFlags): Promise<void> {
  const { adviseTrace, kneeOf } = await import('@purlin/cache-native')
  const percents = sizePercent.toSorted((one, other) => one - other)
  const outcome = await adviseTrace(trace, format, { percents, signal: cli.streams.signal })
  const modes = [...new Set(outcome.rows.map(({ mode }) => mode))]
  const knees = modes.flatMap((mode) => {
    const knee = kneeOf(outcome.rows.filter((row) => row.mode === mode))
    return knee === undefined ? [] : [knee]
  })
  cli.print(
    { ...outcome, knees: knees.map(({ mode, sizeBytes }) => ({ mode, sizeBytes })) },
    () => adviceText(outcome, knees, trace, cli.colours),
    () => adviceSvg(outcome, knees, trace),
  )
}
