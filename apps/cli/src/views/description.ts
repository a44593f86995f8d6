import type { Event, Resource } from '@purlin/schema'
import { stringify } from 'yaml'
import { oneLine, renderTable } from '../output/table.ts'
import { ageText, conditionTone, severityCell, timeText } from '../output/words.ts'
import { resourceTable } from './resource-table.ts'

/** A page about one resource: what it is, what is wanted, what is seen, what happened. Pure. */
export function description(
  resource: Resource,
  ports: readonly Resource<'Port'>[],
  events: readonly Event[],
  nowMs: number,
  colours: boolean,
): string {
  const { kind, name, labels, generation, revision, createdAtMs, status, spec } = resource
  const { conditions, observedGeneration, ...observed } = status
  const age = (sinceMs: number): string => ageText(nowMs - sinceMs)
  const fields: [string, string][] = [
    ['Kind', kind],
    ['Name', name],
    [
      'Labels',
      Object.entries(labels ?? {})
        .map(([key, text]) => `${key}=${text}`)
        .join(', ') || '-',
    ],
    ['Created', `${timeText(createdAtMs)} (${age(createdAtMs)} ago)`],
    ['Generation', `${generation} (observed ${observedGeneration})`],
    ['Revision', String(revision)],
  ]
  const conditionTable = {
    columns: ['TYPE', 'STATUS', 'REASON', 'SINCE', 'MESSAGE'],
    rows: conditions.map((one) => [
      one.type,
      { text: one.status, tone: conditionTone(one) },
      one.reason,
      age(one.sinceMs),
      one.message,
    ]),
    empty: 'none',
  }
  const eventTable = {
    columns: ['AGE', 'SEVERITY', 'TYPE', 'SUBJECT', 'MESSAGE'],
    rows: events.map((event) => [
      age(event.atMs),
      severityCell(event.severity),
      event.type,
      `${event.subject.kind}/${event.subject.name}`,
      event.message,
    ]),
    empty: 'none kept',
  }
  const sections = [
    fields.map(([title, text]) => `${`${title}:`.padEnd(12)}${oneLine(text)}\n`).join(''),
    section('Spec', stringify(spec)),
    ...(Object.keys(observed).length > 0 ? [section('Observed', stringify(observed))] : []),
    ...(ports.length > 0
      ? [section('Ports', renderTable(resourceTable('Port', ports, undefined, nowMs), colours))]
      : []),
    section('Conditions', renderTable(conditionTable, colours)),
    section('Events', renderTable(eventTable, colours)),
  ]
  return sections.join('')
}

function section(title: string, text: string): string {
  return `${title}:\n${text.replaceAll(/^(?=.)/gm, '  ')}`
}
