import type { ChassisTransition, Resource } from '@purlin/schema'
import { sizeText } from '../../output/byte-progress.ts'
import { oneLine, type Table } from '../../output/table.ts'
import { coloured } from '../../output/tone.ts'
import { ageText, timeText } from '../../output/words.ts'
import { lifeText } from './life.ts'

/** A page about one chassis: where its life stands, what it is, why it failed. Pure. */
export function chassisPage(chassis: Resource<'Chassis'>, nowMs: number, colours: boolean): string {
  const { name, spec, status } = chassis
  const { life, power = 'unknown', powerReadAtMs, address, report, bmc } = status
  const failure = life?.failure
  const fields: [string, string][] = [
    ['Chassis', name],
    ['Life', life === undefined ? 'not known yet' : lifeText(life, nowMs)],
    ...(life?.maintenance
      ? [['Maintenance', life.maintenanceReason ?? 'yes'] as [string, string]]
      : []),
    ['Instance', life?.instance ?? '-'],
    ['Power', `${power}${powerReadAtMs === undefined ? '' : `, ${ago(powerReadAtMs, nowMs)}`}`],
    ['BMC', `${spec.bmc.protocol} ${spec.bmc.address}, ${bmcText(bmc, nowMs)}`],
    ['Boots', `${spec.firmware}, ${spec.bootMac} on ${spec.network}`],
    ['Address', address ?? spec.address ?? '-'],
    ['Report', report === undefined ? 'none yet' : reportText(report, nowMs)],
  ]
  const lines = fields.map(([title, text]) => `${`${title}:`.padEnd(13)}${oneLine(text)}\n`)
  if (failure === undefined) return lines.join('')
  const retry = failure.retriable ? `; purlin bm chassis retry ${name}` : ''
  const cause = `${failure.state}: ${oneLine(failure.cause)}${retry}`
  const log = (failure.eventLog ?? []).map(
    ({ atMs, sensor, text }) =>
      `  ${atMs === undefined ? '-' : timeText(atMs)} ${oneLine(sensor)}: ${oneLine(text)}\n`,
  )
  return [
    ...lines,
    `${'Failure:'.padEnd(13)}${coloured(cause, 'bad', colours)}\n`,
    ...(log.length > 0 ? ['Event log then:\n', ...log] : []),
    ...tailLines(failure.consoleTail),
  ].join('')
}

const TAIL_LINES = 20

/** The end of what a console said; its control characters are shown, not obeyed. */
function tailLines(tail: string | undefined): string[] {
  const lines = (tail ?? '').split(/\r?\n/).filter((line) => line.trim() !== '')
  if (lines.length === 0) return []
  return ['Console then:\n', ...lines.slice(-TAIL_LINES).map((line) => `  ${oneLine(line)}\n`)]
}

function ago(atMs: number, nowMs: number): string {
  return `${ageText(Math.max(0, nowMs - atMs))} ago`
}

function bmcText(bmc: Resource<'Chassis'>['status']['bmc'], nowMs: number): string {
  if (bmc === undefined) return 'not asked yet'
  const when = ago(bmc.atMs, nowMs)
  return bmc.reachable ? `answered ${when}` : `silent ${when}: ${bmc.message ?? 'no reason'}`
}

function reportText(
  report: NonNullable<Resource<'Chassis'>['status']['report']>,
  nowMs: number,
): string {
  const { manufacturer, product, serial, cpuThreads, memoryMiB, disks, diskBytes, nics, gpus } =
    report
  const machine = [manufacturer, product, serial].filter((word) => word !== undefined).join(' ')
  const parts = [
    many(cpuThreads, 'thread'),
    sizeText(memoryMiB * 1024 * 1024),
    `${many(disks, 'disk')} (${sizeText(diskBytes)})`,
    many(nics, 'NIC'),
    ...(gpus > 0 ? [many(gpus, 'GPU')] : []),
  ]
  const name = machine === '' ? '' : `${machine}, `
  return `${report.id}, ${ago(report.atMs, nowMs)}: ${name}${parts.join(', ')}`
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** The transitions of a life, each with the end of what its console said before. Pure. */
export function historyPage(transitions: readonly ChassisTransition[]): string {
  const pages = transitions.flatMap(({ atMs, from, to, event, message = '', consoleTail }) => [
    `${timeText(atMs)} ${from} -> ${to} by ${oneLine(event)} ${oneLine(message)}`.trimEnd(),
    '\n',
    ...tailLines(consoleTail).slice(1),
  ])
  return pages.length === 0 ? 'nothing has happened yet\n' : pages.join('')
}

/** The transitions of a life. Pure. */
export function historyTable(transitions: readonly ChassisTransition[]): Table {
  return {
    columns: ['TIME', 'EVENT', 'FROM', 'TO', 'ATTEMPT', 'MESSAGE'],
    rows: transitions.map(({ atMs, event, from, to, attempt, step, message }) => [
      timeText(atMs),
      event,
      from,
      to === 'failed' ? { text: to, tone: 'bad' } : to,
      attempt === undefined ? '' : String(attempt),
      message ?? step ?? '',
    ]),
    empty: 'nothing has happened yet',
  }
}
