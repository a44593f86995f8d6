import type { Sensor } from '../bmc.ts'
import { foreignLines, foreignNumber, foreignText } from '../foreign-text.ts'

const SENSORS_MAX = 512
const COLUMNS = 10

/** Reads `ipmitool -c sensor`: name, reading, unit, status, then thresholds from the lowest to the
 *  highest (non-recoverable, critical, non-critical; non-critical, critical, non-recoverable). A
 *  name may hold commas, so columns are counted from the end; lines of another form are none of a
 *  sensor and left out. */
export function parseSensors(text: string): readonly Sensor[] {
  return foreignLines(text, 4 * SENSORS_MAX)
    .flatMap(parseSensor)
    .slice(0, SENSORS_MAX)
}

function parseSensor(line: string): readonly Sensor[] {
  const columns = line.slice(0, 2_000).split(',')
  if (columns.length < COLUMNS) return []
  const rest = columns.slice(-(COLUMNS - 1))
  const [reading = '', unit = '', status = '', , lowerCritical = '', , , upperCritical = ''] = rest
  const name = foreignText(columns.slice(0, 1 - COLUMNS).join(','))
  if (name === '' || unit.trim() === '') return []
  const discrete = unit.trim() === 'discrete'
  return [
    {
      name,
      unit: foreignText(unit),
      status: foreignText(status),
      ...(!discrete && valued('reading', reading)),
      ...valued('lowerCritical', lowerCritical),
      ...valued('upperCritical', upperCritical),
    },
  ]
}

function valued<Name extends string>(name: Name, text: string): Partial<Record<Name, number>> {
  const value = foreignNumber(text)
  return value === undefined ? {} : ({ [name]: value } as Record<Name, number>)
}
