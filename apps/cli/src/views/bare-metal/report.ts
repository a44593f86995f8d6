import type { DiscoveryReport, ReportChanges, StoredReport } from '@purlin/schema'
import { sizeText } from '../../output/byte-progress.ts'
import { oneLine, renderTable, type Table } from '../../output/table.ts'
import { timeText } from '../../output/words.ts'

const MIB = 1024 * 1024

/** A discovery report for a reader. Pure. */
export function reportText({ id, atMs, report }: StoredReport, colours: boolean): string {
  const { system, firmware, cpu, memory, bmc } = report
  const words = (...parts: readonly (string | undefined)[]): string =>
    parts.filter((part) => part !== undefined && part !== '').join(' ') || '-'
  const fields: [string, string][] = [
    ['Report', `${id}, ${timeText(atMs)}`],
    ['System', words(system.manufacturer, system.product)],
    ['Serial', system.serial ?? '-'],
    ['UUID', system.uuid ?? '-'],
    ['Firmware', words(firmware.mode, firmware.vendor, firmware.version, firmware.releaseDate)],
    ['BMC', words(bmc?.firmwareVersion, bmc?.address, bmc?.mac)],
    [
      'CPU',
      cpu.sockets.map(({ model, cores, threads }) => `${model}, ${cores}/${threads}`).join('; '),
    ],
    ['Memory', memoryText(memory)],
  ]
  const section = (title: string, table: Table): string =>
    `${title}:\n${renderTable(table, colours).replaceAll(/^(?=.)/gm, '  ')}`
  return [
    fields.map(([title, text]) => `${`${title}:`.padEnd(10)}${oneLine(text)}\n`).join(''),
    section('Disks', diskTable(report)),
    section('NICs', nicTable(report)),
    ...(report.gpus.length > 0 ? [section('GPUs', gpuTable(report))] : []),
  ].join('')
}

function memoryText({ sizeMiB, modules }: DiscoveryReport['memory']): string {
  const size = sizeText(sizeMiB * MIB)
  const filled = modules.filter((one) => one.sizeMiB > 0)
  if (filled.length === 0) return size
  return `${size} in ${filled.length} modules: ${filled.map((one) => one.slot).join(', ')}`
}

function diskTable({ disks }: DiscoveryReport): Table {
  return {
    columns: ['DISK', 'SIZE', 'MEDIA', 'BUS', 'MODEL', 'SERIAL', 'WWN'],
    rows: disks.map((disk) => [
      disk.name,
      sizeText(disk.sizeBytes),
      disk.media,
      disk.transport,
      disk.model ?? '',
      disk.serial ?? '',
      disk.wwn ?? '',
    ]),
    empty: 'none',
  }
}

function nicTable({ nics }: DiscoveryReport): Table {
  return {
    columns: ['NIC', 'MAC', 'LINK', 'DRIVER', 'SWITCH', 'PORT'],
    rows: nics.map(({ name, mac, link, speedMbps, driver, neighbour }) => [
      name,
      mac,
      link
        ? { text: speedMbps === undefined ? 'up' : `${speedMbps} Mbit/s`, tone: 'good' }
        : { text: 'down', tone: 'careful' },
      driver ?? '',
      neighbour?.systemName ?? neighbour?.chassisId ?? '',
      neighbour?.portDescription ?? neighbour?.portId ?? '',
    ]),
    empty: 'none',
  }
}

function gpuTable({ gpus }: DiscoveryReport): Table {
  return {
    columns: ['GPU', 'VENDOR', 'MODEL', 'MEMORY'],
    rows: gpus.map(({ pciAddress, vendor, model, memoryMiB }) => [
      pciAddress,
      vendor,
      model,
      memoryMiB === undefined ? '' : sizeText(memoryMiB * MIB),
    ]),
    empty: 'none',
  }
}

/** What differs between two reports. Pure. */
export function changesTable({ from, to, changes }: ReportChanges): Table {
  const tones = { added: 'good', removed: 'bad', changed: 'careful' } as const
  return {
    columns: ['CHANGE', 'PART', 'FIELD', 'BEFORE', 'AFTER'],
    rows: changes.map(({ change, part, field, before, after }) => [
      { text: change, tone: tones[change] },
      part,
      field ?? '',
      valueText(before),
      valueText(after),
    ]),
    empty: `reports ${from} and ${to} do not differ`,
  }
}

function valueText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
