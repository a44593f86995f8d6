import type { InstallationPlan } from '@purlin/schema'
import { sizeText } from '../../output/byte-progress.ts'
import { oneLine, renderTable, type Table } from '../../output/table.ts'
import { coloured } from '../../output/tone.ts'

const MIB = 1024 * 1024
type Part = InstallationPlan['volumes'][number]

/** What an installation would do, for a reader: why not, the layout, the network, and the files
 *  where they were asked for. Pure. */
export function planText(plan: InstallationPlan, colours: boolean, withFiles: boolean): string {
  const { chassis, template, source, report, target, problems } = plan
  const against = report === undefined ? 'without a report' : `against report ${report}`
  const head = `${template} from ${source}${target === undefined ? '' : ` (${target})`}`
  const verdict =
    problems.length === 0
      ? coloured('it fits', 'good', colours)
      : coloured(`it cannot be installed: ${problems.length} problems`, 'bad', colours)
  const section = (title: string, table: Table): string[] =>
    table.rows.length === 0
      ? []
      : [`${title}:\n`, renderTable(table, colours).replaceAll(/^(?=.)/gm, '  ')]
  return [
    `${chassis}: ${head}, ${against}: ${verdict}\n`,
    ...problems.map(({ path, message }) => `  ${path}: ${oneLine(message)}\n`),
    ...section('Disks', diskTable(plan)),
    ...section('Arrays', partTable('ARRAY', plan.arrays)),
    ...section('Volumes', partTable('VOLUME', plan.volumes)),
    ...section('Network', networkTable(plan)),
    ...(plan.kernelArguments === undefined ? [] : [`Kernel: ${oneLine(plan.kernelArguments)}\n`]),
    ...(plan.steps.length === 0 ? [] : ['Steps:\n', ...plan.steps.map((step) => `  ${step}\n`)]),
    ...filesText(plan, withFiles),
  ].join('')
}

function diskTable({ disks }: InstallationPlan): Table {
  return {
    columns: ['DISK', 'TABLE', 'PART', 'SIZE', 'CONTENT'],
    rows: disks.flatMap(({ disk, table, boot, sizeMiB, parts }) => [
      [disk, boot ? `${table}, boots` : table, '', sizeText(sizeMiB * MIB), ''],
      ...parts.map(({ name, sizeMiB: size, content }) => [
        '',
        '',
        name,
        sizeText(size * MIB),
        content,
      ]),
    ]),
    empty: '',
  }
}

function partTable(title: string, parts: readonly Part[]): Table {
  return {
    columns: [title, 'SIZE', 'CONTENT'],
    rows: parts.map(({ name, sizeMiB, content }) => [name, sizeText(sizeMiB * MIB), content]),
    empty: '',
  }
}

function networkTable({ network }: InstallationPlan): Table {
  return {
    columns: ['INTERFACE', 'KIND', 'OF', 'ADDRESSES', 'GATEWAY'],
    rows: network.map((one) => [
      one.interface,
      one.vlan === undefined ? one.kind : `${one.kind} ${one.vlan}`,
      one.of.join(', '),
      one.addresses.join(', '),
      one.gateway ?? '',
    ]),
    empty: '',
  }
}

function filesText({ files }: InstallationPlan, whole: boolean): readonly string[] {
  if (files.length === 0) return []
  if (!whole) {
    const names = files.map(({ name }) => name).join(', ')
    return [`Files: ${names} (--files shows them)\n`]
  }
  return files.flatMap(({ name, text }) => [
    `--- ${name}\n`,
    text.endsWith('\n') ? text : `${text}\n`,
  ])
}
