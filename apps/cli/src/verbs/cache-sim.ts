import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { simulationText } from '../views/cache-simulation.ts'

interface SimulationFlags {
  readonly trace: string
  // The library that knows them is not loaded for a word of help.
  readonly format: 'lis' | 'csv' | 'oracle'
  readonly sizePercent: readonly number[]
}

/** `purlin cache sim`; it works without an agent. */
export function addCacheSimulation(group: Command, cli: Cli): void {
  group
    .command('sim')
    .description('replay a trace of block requests through the cache’s policy and others')
    .requiredOption('--trace <file>', 'the trace; one that ends with .zst is unpacked')
    .addOption(
      new Option(
        '--format <name>',
        'lis: first page, pages, ignored, request; csv: time, r|w, first 512-byte block, bytes; ' +
          'oracle: records of 24 bytes',
      )
        .choices(['lis', 'csv', 'oracle'])
        .makeOptionMandatory(),
    )
    .option(
      '--size-percent <list>',
      'sizes of the cache, percent of the distinct pages',
      percentList,
      [5, 10, 20],
    )
    .action((flags: SimulationFlags) => simulate(cli, flags))
}

async function simulate(cli: Cli, { trace, format, sizePercent }: SimulationFlags): Promise<void> {
  const { simulateTrace } = await import('@purlin/cache-native')
  const { signal } = cli.streams
  const outcome = await simulateTrace(trace, format, { percents: sizePercent, signal })
  cli.print(outcome.rows, () => simulationText(outcome, trace, cli.colours))
}

/** Reads percents above 0 and at most 100, as `5,10,20`. */
export function percentList(text: string): readonly number[] {
  const percents = text.split(',').map((word) => (/^\d{1,3}(\.\d+)?$/.test(word) ? +word : 0))
  if (percents.every((percent) => percent > 0 && percent <= 100)) return percents
  throw new InvalidArgumentError('must be percents above 0 and at most 100, as 5,10,20.')
}
