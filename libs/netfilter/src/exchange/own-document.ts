import type { Located } from './located.ts'
import { type FileRule, Problems, type RuleFile } from './rule-file.ts'

const KNOWN = ['securityGroup', 'inbound', 'outbound']

/** Reads our own form of JSON and YAML: `inbound` and `outbound`, each a list of rules as a
 *  manifest has them. Pure. */
export function readOwnDocument(root: Located, format: 'json' | 'yaml'): RuleFile {
  const problems = new Problems()
  const fields = root.fields()
  if (fields.size === 0) {
    problems.add(root, 'must be a mapping with inbound and outbound, each a list of rules')
  }
  for (const [name, field] of fields) {
    if (!KNOWN.includes(name)) problems.add(field, `unknown field; known: ${KNOWN.join(', ')}`)
  }
  const rules = (['inbound', 'outbound'] as const).flatMap((direction): FileRule[] => {
    const list = fields.get(direction)
    if (list === undefined || list.value === null) return []
    if (!Array.isArray(list.value)) {
      problems.add(list, 'must be a list of rules')
      return []
    }
    return list.items().map((item) => ({
      direction,
      rule: item.value as Readonly<Record<string, unknown>>,
      line: item.line,
      path: item.path,
      placeOf: (field) => item.placeOf(field),
    }))
  })
  return { format, rules, problems: problems.found }
}
