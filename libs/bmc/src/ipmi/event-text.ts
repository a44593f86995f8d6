import type { BmcEvent } from '../bmc.ts'
import { foreignLines, foreignText } from '../foreign-text.ts'

/** How many events are asked for; the newest. */
export const EVENTS_MAX = 512
const DATE = /^(\d{2})\/(\d{2})\/(\d{2}|\d{4})$/
const TIME = /^(\d{2}):(\d{2}):(\d{2})( UTC)?$/

/** Reads `ipmitool -c sel elist`, printed in the C locale and in UTC: number (hexadecimal),
 *  date, time, sensor, then what happened. Lines of another form are left out: an empty log is
 *  a sentence. Before its clock is set a BMC counts from its start: such events have no time. */
export function parseEvents(text: string): readonly BmcEvent[] {
  return foreignLines(text, 2 * EVENTS_MAX)
    .flatMap(parseEvent)
    .slice(-EVENTS_MAX)
}

function parseEvent(line: string): readonly BmcEvent[] {
  const [id = '', date = '', time = '', sensor, ...happened] = line.slice(0, 2_000).split(',')
  if (!/^\s*[0-9a-f]{1,4}\s*$/i.test(id) || sensor === undefined) return []
  const atMs = readTime(date.trim(), time.trim())
  return [
    {
      id: id.trim().toLowerCase(),
      ...(atMs !== undefined && { atMs }),
      sensor: foreignText(sensor),
      text: foreignText(happened.filter((part) => part.trim() !== '').join(', ')),
    },
  ]
}

/** Milliseconds since 1970; undefined for what is no time, the 31st of February included. */
function readTime(date: string, time: string): number | undefined {
  const [, month = '', day = '', year = ''] = DATE.exec(date) ?? []
  const [, hour = '', minute = '', second = ''] = TIME.exec(time) ?? []
  if (year === '' || second === '') return undefined
  const written = `${year.padStart(4, '20')}-${month}-${day}T${hour}:${minute}:${second}.000Z`
  const atMs = Date.parse(written)
  return Number.isNaN(atMs) || new Date(atMs).toISOString() !== written ? undefined : atMs
}
