import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, run, toPurlinError } from '@purlin/base'
import { repository } from '../../repository.ts'
import { PrivateHost } from '../../sandbox/host.ts'
import { startSwitch, switchSocket } from '../../sandbox/switch.ts'
import { aligned } from '../../sandbox/up/table.ts'
import { isRoot } from '../../setup/privilege.ts'
import { Progress } from '../../setup/progress.ts'
import { setUp } from '../../setup/set-up.ts'
import type { Summary } from '../quantile.ts'
import { type SwitchFindings, switchFindings } from './findings.ts'

const USAGE = 'usage: ./purlin bench switch [--quick] [-o table|json] [--yes]'
const INSIDE = join(import.meta.dirname, 'inside.ts')
const TIMEOUT_MS = 30 * 60_000

/** `./purlin bench switch`. Everything is measured in a private host, which needs root. */
export async function runSwitchBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const { output, quick, yes } = readWords(words)
  const progress = new Progress()
  await setUp({ yes, sets: ['sandbox', 'build', 'firewalls', 'fleet'], progress })
  if (!isRoot()) {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: 'the benchmark makes network namespaces, which needs root: run it by sudo',
    })
  }
  const findings = await progress.step('measured', async () => await measure(quick, signal))
  const text = output === 'json' ? JSON.stringify(findings, null, 2) : lines(findings).join('\n')
  process.stdout.write(`${text}\n`)
  return 0
}

async function measure(quick: boolean, signal: AbortSignal): Promise<SwitchFindings> {
  const host = await PrivateHost.start({ name: 'bench-host' })
  try {
    await startSwitch(host)
    const runFolder = join(host.paths.switch, 'services')
    await mkdir(runFolder, { recursive: true })
    const order = JSON.stringify({ socket: switchSocket(host), runFolder, quick })
    const node = [process.execPath, '--conditions=purlin-source', INSIDE, order]
    const [program, ...args] = host.enter(['env', '--chdir', repository, ...node])
    const { stdout } = await run(program, args, { timeoutMs: TIMEOUT_MS, signal })
    return switchFindings.parse(JSON.parse(stdout))
  } finally {
    await host.end()
  }
}

function lines(findings: SwitchFindings): readonly string[] {
  const { machine, transactions, ports, throughput, membership } = findings
  const row = (name: string, { count, p50, p99 }: Summary, cpuMs: number): string[] => [
    name,
    ...[count, p50, p99, cpuMs].map(String),
  ]
  const [filterable, direct] = throughput
  const ratio =
    filterable === undefined || direct === undefined
      ? Number.NaN
      : direct.megabitPerSecond / filterable.megabitPerSecond
  return [
    machine,
    ...aligned([
      ['one key set, milliseconds', 'n', 'p50', 'p99', 'CPU each'],
      ...transactions.flatMap(({ what, purlin, purlinCpuMs, vsctl, vsctlCpuMs }) => [
        row(`Purlin, ${what}`, purlin, purlinCpuMs),
        row(`ovs-vsctl, ${what}`, vsctl, vsctlCpuMs),
      ]),
    ]),
    ...transactions.map(
      ({ what, purlin, vsctl }) =>
        `${what}: ${(vsctl.p50 / purlin.p50).toFixed(1)} times as fast as a spawned ovs-vsctl`,
    ),
    ...aligned([
      [
        `ports, median of ${ports.rounds}`,
        'n',
        'made ms',
        'removed ms',
        'made each',
        'removed each',
      ],
      ...ports.sides.map(({ who, count, madeMs, removedMs }) => [
        who,
        ...[count, madeMs, removedMs].map(String),
        ...[madeMs, removedMs].map((ms) => (ms / count).toFixed(1)),
      ]),
    ]),
    `Purlin's ports looked at and planned in ${ports.lookMs} ms`,
    ...throughput.map(
      ({ path, megabitPerSecond, cpuPercent }) =>
        `TCP between two ${path} ports: ${megabitPerSecond} Mbit/s, iperf3's own CPU ${cpuPercent} %`,
    ),
    `a change of a group enforced on another host, of ${membership.count}: p50 ${membership.p50} ms, p99 ${membership.p99} ms`,
    `a direct port has ${ratio.toFixed(2)} times the throughput of a filterable one`,
  ]
}

function readWords(words: readonly string[]): {
  readonly output: 'table' | 'json'
  readonly quick: boolean
  readonly yes: boolean
} {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        quick: { type: 'boolean', default: false },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    })
    const { output, quick, yes } = values
    if (output !== 'table' && output !== 'json') throw new Error(`-o ${output}: table or json`)
    return { output, quick, yes }
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\n${USAGE}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
