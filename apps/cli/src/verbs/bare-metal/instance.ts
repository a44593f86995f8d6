import type { EraseDepth, InstanceMetrics, InstanceMetricsHistory } from '@purlin/schema'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Cli, WaitOptions } from '../../cli.ts'
import { exitCodes } from '../../exit-codes.ts'
import { METAL_TIMEOUT_SECONDS, positiveNumber, withWaitOptions } from '../../options.ts'
import type { Table } from '../../output/table.ts'
import { timeText } from '../../output/words.ts'
import { planText } from '../../views/bare-metal/plan.ts'
import { printTask } from '../apply.ts'
import { printDescription } from '../describe.ts'
import { printResources } from '../get.ts'
import { watchLife } from './chassis.ts'
import { finishLife } from './life-progress.ts'

interface MetricsFlags {
  readonly metric?: string
  readonly since?: number
  readonly step?: number
}

/** `purlin bm instance` */
export function addInstance(group: Command, cli: Cli): void {
  const instance = group.command('instance').description('installed systems')
  instance
    .command('list')
    .description('all instances')
    .action(() => printResources(cli, 'BareMetalInstance', undefined))
  instance
    .command('show')
    .description('one instance with its steps, conditions and recent events')
    .argument('<name>')
    .action((name: string) => printDescription(cli, 'BareMetalInstance', name))
  instance
    .command('plan')
    .description('what its installation would do, checked without power; exit code 1: it cannot')
    .argument('<name>')
    .option('--files', 'the answer file and the scripts too, without secrets')
    .action(async (name: string, { files }: { files?: boolean }) => {
      const plan = await cli.metal.bareMetalInstances.plan(name)
      cli.print(plan, () => planText(plan, cli.colours, files === true))
      if (plan.problems.length > 0) cli.exitCode = exitCodes.failed
    })
  instance
    .command('watch')
    .description('follow its installation until nothing is under way')
    .argument('<name>')
    .option('--timeout <seconds>', 'how long', positiveNumber, METAL_TIMEOUT_SECONDS)
    .action(async (name: string, { timeout }: { timeout: number }) => {
      const { spec } = await cli.metal.bareMetalInstances.get(name)
      await watchLife(cli, spec.chassis, timeout)
    })
  withWaitOptions(
    instance
      .command('release')
      .description('delete it: its disks are erased, then its chassis is available again')
      .argument('<name>')
      .addOption(
        new Option('--erase <depth>', 'as the instance says where it is absent').choices([
          'quick',
          'full',
        ]),
      ),
    METAL_TIMEOUT_SECONDS,
  ).action(async (name: string, flags: WaitOptions & { erase?: EraseDepth }) => {
    const { bareMetalInstances } = cli.metal
    const { spec } = await bareMetalInstances.get(name)
    const { erase } = flags
    const handle = await bareMetalInstances.release(name, { ...(erase && { erase }) })
    printTask(cli, await finishLife(cli, spec.chassis, handle, flags))
  })
  instance
    .command('metrics')
    .description('figures of the system inside; over time with --since')
    .argument('<name>')
    .option('--metric <name>', 'one of them; NAME* for all that begin so')
    .option('--since <duration>', 'over the last 15m, 6h, 1d', duration)
    .option('--step <duration>', 'one value for each so long', duration)
    .action((name: string, flags: MetricsFlags) => metrics(cli, name, flags))
}

async function metrics(cli: Cli, name: string, flags: MetricsFlags): Promise<void> {
  const { metric, since, step } = flags
  const { bareMetalInstances } = cli.metal
  const selection = { ...(metric !== undefined && { metric }) }
  if (since === undefined) {
    const found = await bareMetalInstances.metrics(name, selection)
    cli.print(found, () => newestTable(found))
    return
  }
  const toMs = cli.streams.clock.nowMs()
  const range = { fromMs: Math.max(0, toMs - since), toMs, ...(step && { stepMs: step }) }
  const found = await bareMetalInstances.metricsHistory(name, { ...selection, ...range })
  cli.print(found, () => historyTable(found))
}

function newestTable({ instance, lastPushMs, series }: InstanceMetrics): Table {
  const when = lastPushMs === undefined ? 'has told nothing yet' : `told ${timeText(lastPushMs)}`
  return {
    columns: ['METRIC', 'LABELS', 'VALUE'],
    rows: series.map(({ metric, labels, value }) => [metric, labelText(labels), figure(value)]),
    empty: `${instance} ${when}: no such metric`,
  }
}

function historyTable({ instance, series }: InstanceMetricsHistory): Table {
  return {
    columns: ['TIME', 'METRIC', 'LABELS', 'VALUE'],
    rows: series.flatMap(({ metric, labels, points }) =>
      points.map(([atMs, value]) => [timeText(atMs), metric, labelText(labels), figure(value)]),
    ),
    empty: `${instance}: nothing was told in that time`,
  }
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, text]) => `${name}=${text}`)
    .join(' ')
}

function figure(value: number | null): string {
  return value === null ? '' : String(value)
}

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds of `90s`, `15m`, `6h`, `1d`. */
function duration(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const unitMs = UNITS_MS[unit]
  if (count === undefined || unitMs === undefined) {
    throw new InvalidArgumentError('must be as 90s, 15m, 6h or 1d.')
  }
  return Number(count) * unitMs
}
