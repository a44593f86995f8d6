import { systemClock } from '@purlin/base'
import type { Progress } from '../../setup/progress.ts'
import { setUp } from '../../setup/set-up.ts'
import { Sandbox } from '../sandbox.ts'
import { isExpected } from './expected.ts'
import { judge, make } from './make.ts'
import { loadManifest, ofKind } from './manifest.ts'
import { measure } from './measure.ts'
import type { UpOptions } from './options.ts'
import { differences, madeLines, reportDocument, tableLines, type UpReport } from './report.ts'
import { sabotage } from './sabotage.ts'
import { stay } from './stay.ts'

/** Runs `./purlin up`: a manifest becomes a running sandbox, its traffic is measured, and it stays
 *  until `signal`. Gives the exit code: 0 when every verdict is right, else 1. What is for people
 *  to follow goes to standard error while it happens; the result goes to standard output. */
export async function up(
  options: UpOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const startMs = systemClock.monotonicMs()
  const manifest = await loadManifest(options.file)
  await setUp({ yes: options.yes, sets: ['sandbox', 'build', 'guest'], progress })
  const setUpMs = systemClock.monotonicMs()
  signal.throwIfAborted()
  const drift = options.sabotage ? 'report' : 'repair'
  await using sandbox = await progress.step('sandbox: switch, libvirt, agent', () =>
    Sandbox.start({ drift, named: true }),
  )
  const made = await make(sandbox, manifest, progress, signal)
  const upMs = systemClock.monotonicMs()
  const flipped = options.sabotage
    ? await sabotage(sandbox.host, made.questions, (one) => isExpected(made.policy, one))
    : undefined
  if (flipped !== undefined) progress.note(flipped.sentence)
  const measured = await progress.step(`${made.questions.length} questions by real traffic`, () =>
    measure(sandbox.client, sandbox.host, made.clients, made.questions, (question) =>
      isExpected(made.policy, question),
    ),
  )
  const endMs = systemClock.monotonicMs()
  const seconds = (from: number, to: number): number => Math.round((to - from) / 10) / 100
  const report: UpReport = {
    manifest: manifest.fileName,
    socket: sandbox.socket,
    machines: ofKind(manifest.manifests, 'VirtualMachine'),
    portGroups: ofKind(manifest.manifests, 'PortGroup'),
    guests: made.guests,
    clients: made.clients,
    measured,
    cells: judge(measured, (question) => isExpected(made.policy, question)),
    times: {
      setUp: seconds(startMs, setUpMs),
      up: seconds(setUpMs, upMs),
      table: seconds(upMs, endMs),
      altogether: seconds(startMs, endMs),
    },
  }
  print(report, options)
  if (!options.once) await stay(sandbox, signal)
  return differences(report.cells).length === 0 ? 0 : 1
}

function print(report: UpReport, { output }: UpOptions): void {
  const text =
    output === 'json'
      ? JSON.stringify(reportDocument(report), null, 2)
      : [...madeLines(report), ...tableLines(report)].join('\n')
  process.stdout.write(`${text}\n`)
}
