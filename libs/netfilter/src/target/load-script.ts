import { OWNER_COUNTER, TABLE_NAME, type TableFamily, tableFamilies } from './names.ts'
import { roleOf } from './sets.ts'
import type { NamedSet, TableObjects } from './statement.ts'
import { addChainText, elementText, placeText, ruleText, setShapeText } from './text.ts'

const ELEMENTS_A_LINE = 500

/** The whole rule set as a script for `nft -f`. Into an empty kernel it loads all of it; where the
 *  tables exist it replaces their content in one transaction, base chains and maps staying. No
 *  line has two closing braces: nft 1.0.6 takes them for an error. */
export function loadScript({ chains, sets }: TableObjects): string {
  const every = [...sets.values()]
  const [turning, standing] = [every.filter(isTurned), every.filter((set) => !isTurned(set))]
  const lines = [
    ...tableFamilies.flatMap(tableLines),
    ...every.map(addSetLine),
    ...standing.filter((set) => roleOf(set) !== 'moving').map(flushSetLine),
    ...[...chains.values()].flatMap((chain) => [
      addChainText(chain),
      `flush chain ${placeText(chain.table, chain.name)}`,
    ]),
    ...standing.flatMap(elementLines),
    ...[...chains.values()].flatMap((chain) =>
      chain.rules.map(
        (rule) =>
          `add rule ${placeText(chain.table, chain.name)} ${ruleText(rule)} comment "${rule.id}"`,
      ),
    ),
    ...turning.flatMap((set) => [flushSetLine(set), ...elementLines(set)]),
  ]
  return `${lines.join('\n')}\n`
}

function isTurned(set: NamedSet): boolean {
  return roleOf(set) === 'turn'
}

function tableLines(table: TableFamily): readonly string[] {
  return [`add table ${table} ${TABLE_NAME}`, `add counter ${table} ${TABLE_NAME} ${OWNER_COUNTER}`]
}

function addSetLine(set: NamedSet): string {
  const kind = set.value === undefined ? 'set' : 'map'
  return `add ${kind} ${placeText(set.table, set.name)} { ${setShapeText(set)} }`
}

function flushSetLine({ table, name, value }: NamedSet): string {
  return `flush ${value === undefined ? 'set' : 'map'} ${placeText(table, name)}`
}

function elementLines(set: NamedSet): readonly string[] {
  const elements = [...set.elements.values()]
  const lines: string[] = []
  for (let start = 0; start < elements.length; start += ELEMENTS_A_LINE) {
    const some = elements.slice(start, start + ELEMENTS_A_LINE)
    const texts = some.map((element) => elementText(set, element))
    lines.push(`add element ${placeText(set.table, set.name)} { ${texts.join(', ')} }`)
  }
  return lines
}
