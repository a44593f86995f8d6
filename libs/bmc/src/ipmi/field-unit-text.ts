import type { FieldUnit } from '../bmc.ts'
import { foreignLines, foreignText } from '../foreign-text.ts'

const UNITS_MAX = 64
const FIELDS_MAX = 256
const HEAD = /^FRU Device Description\s*:\s*(.+?)\s*\(ID \d+\)\s*$/
const FIELD = /^\s(\S.*?)\s*:\s(.*\S)\s*$/

/** Reads `ipmitool fru print`: a head for each unit, then lines of ` Name : value`. What ipmitool
 *  says of units that are absent has no such form and is left out. */
export function parseFieldUnits(text: string): readonly FieldUnit[] {
  const units: { name: string; fields: { name: string; value: string }[] }[] = []
  for (const line of foreignLines(text, UNITS_MAX * (FIELDS_MAX + 4))) {
    const bounded = line.slice(0, 1_024)
    const name = HEAD.exec(bounded)?.[1]
    if (name !== undefined) {
      if (units.length === UNITS_MAX) break
      units.push({ name: foreignText(name), fields: [] })
      continue
    }
    const [, field, value] = FIELD.exec(bounded) ?? []
    const fields = units.at(-1)?.fields
    if (field === undefined || value === undefined || fields === undefined) continue
    if (fields.length < FIELDS_MAX) {
      fields.push({ name: foreignText(field), value: foreignText(value) })
    }
  }
  return units
}
