import { chainKey, type KernelChain, type KernelRuleset } from './kernel-ruleset.ts'
import {
  LOOSE_SET,
  type MapName,
  mapNames,
  mapTypes,
  OWNER_COUNTER,
  TABLE_NAME,
  type TableFamily,
  tableFamilies,
} from './names.ts'

const ELEMENTS_A_LINE = 500

/** `add table`, its mark of ownership, its maps and fixed sets: idempotent lines. */
export function tableLines(table: TableFamily): readonly string[] {
  const own = mapNames.filter((name) => mapTypes[name].table === table)
  const counted = (name: MapName): string => (name === 'dispatch' ? ' counter;' : '')
  return [
    `add table ${table} ${TABLE_NAME}`,
    `add counter ${table} ${TABLE_NAME} ${OWNER_COUNTER}`,
    ...own.map(
      (name) =>
        `add map ${table} ${TABLE_NAME} ${name} { type ${mapTypes[name].type};${counted(name)} }`,
    ),
    ...(table === 'inet' ? [`add set inet ${TABLE_NAME} ${LOOSE_SET} { type mark; }`] : []),
  ]
}

/** `add chain`, with its hook where it is a base chain. */
export function addChainLine(chain: KernelChain): string {
  const place = `add chain ${chain.table} ${TABLE_NAME} ${chain.name}`
  if (chain.hook === undefined) return place
  const { hook, priority } = chain.hook
  return `${place} { type filter hook ${hook} priority ${priority}; policy accept; }`
}

/** `add rule` for each rule, its id as comment. */
export function ruleLines(chain: KernelChain): readonly string[] {
  return chain.rules.map(
    ({ id, text }) => `add rule ${chain.table} ${TABLE_NAME} ${chain.name} ${text} comment "${id}"`,
  )
}

/** `add set` of a group. */
export function addSetLine(name: string, family: 'ipv4' | 'ipv6'): string {
  return `add set inet ${TABLE_NAME} ${name} { type ${family}_addr; }`
}

/** `add` or `delete element` lines of a bounded length. */
export function elementLines(
  verb: 'add' | 'delete',
  table: TableFamily,
  name: string,
  elements: readonly string[],
): readonly string[] {
  const lines: string[] = []
  for (let start = 0; start < elements.length; start += ELEMENTS_A_LINE) {
    const some = elements.slice(start, start + ELEMENTS_A_LINE).join(', ')
    lines.push(`${verb} element ${table} ${TABLE_NAME} ${name} { ${some} }`)
  }
  return lines
}

/** The key of a map as nft text: interface names are quoted. */
export function mapKeyText(map: MapName, key: string): string {
  return mapTypes[map].table === 'bridge' ? `"${key}"` : key
}

/** The whole rule set as one script. Into an empty kernel it loads all of it; where the tables
 *  exist it replaces their content in one transaction, base chains and maps staying. */
export function wholeScript(ruleset: KernelRuleset): string {
  const chains = [...ruleset.chains.values()]
  const lines = [
    ...tableFamilies.flatMap(tableLines),
    ...[...ruleset.sets].flatMap(([name, set]) => [
      addSetLine(name, set.family),
      `flush set inet ${TABLE_NAME} ${name}`,
      ...elementLines('add', 'inet', name, set.elements),
    ]),
    ...chains.flatMap((chain) => [
      addChainLine(chain),
      `flush chain ${chain.table} ${TABLE_NAME} ${chain.name}`,
    ]),
    ...chains.flatMap(ruleLines),
    ...mapNames.flatMap((name) => {
      const table = mapTypes[name].table
      const elements = [...ruleset.maps[name]].map(
        ([key, value]) => `${mapKeyText(name, key)} : ${value}`,
      )
      return [
        `flush map ${table} ${TABLE_NAME} ${name}`,
        ...elementLines('add', table, name, elements),
      ]
    }),
  ]
  return `${lines.join('\n')}\n`
}

/** The key of the chain a verdict of a map leads to, or undefined for a mark. */
export function targetOf(map: MapName, value: string): string | undefined {
  const name = /^(?:goto|jump) (.+)$/.exec(value)?.[1]
  return name === undefined ? undefined : chainKey({ table: mapTypes[map].table, name })
}
