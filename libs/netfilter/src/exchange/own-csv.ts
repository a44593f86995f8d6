import { type CsvField, readCsv } from './csv.ts'
import { type CsvColumn, csvColumns } from './export.ts'
import { type FilePlace, type FileRule, Problems, type RuleFile } from './rule-file.ts'

const NEEDED: readonly CsvColumn[] = ['direction', 'action', 'family', 'protocol']
const LISTS = ['cidrs', 'addresses', 'ranges', 'groups'] as const

/** Reads our own form of CSV: a line of column names, then a rule a line. Where a line has a
 *  priority, it must be the place at which the rule stands. Pure. */
export function readOwnCsv(text: string): RuleFile {
  const problems = new Problems()
  const answer = (rules: readonly FileRule[]): RuleFile => ({
    format: 'csv',
    rules,
    problems: problems.found,
  })
  const read = readCsv(text)
  if ('fault' in read) {
    const message = 'a quote is out of place: a field with quotes stands in quotes, each doubled'
    problems.add({ line: read.fault, path: '' }, message)
    return answer([])
  }
  const [head, ...records] = read.records
  if (head === undefined) {
    problems.add({ line: 1, path: '' }, `is empty; the first line names: ${csvColumns.join(',')}`)
    return answer([])
  }
  checkHead(head, problems)
  if (problems.found.length > 0) return answer([])
  const counts = { inbound: 0, outbound: 0 }
  const rules = records.flatMap((record): FileRule[] => {
    const row = new Map(record.map((field, index) => [head[index]?.text, field]))
    const line = record[0]?.line ?? 1
    if (record.length !== head.length) {
      const message = `has ${record.length} fields, the first line names ${head.length}`
      problems.add({ line, path: '' }, message)
      return []
    }
    const direction = row.get('direction')?.text
    if (direction !== 'inbound' && direction !== 'outbound') {
      const message = `must be inbound or outbound, found "${direction ?? ''}"`
      problems.add({ line, path: 'direction' }, message)
      return []
    }
    const place = counts[direction]++
    const priority = row.get('priority')?.text ?? ''
    if (priority !== '' && priority !== String(place)) {
      const message = `must be ${place}, as the ${direction} rules stand, found ${priority}: priorities are unique and have no gaps`
      problems.add({ line, path: 'priority' }, message)
    }
    const side = direction === 'inbound' ? 'source' : 'destination'
    const placeOf = (field: string): FilePlace => {
      const column = columnOf(field)
      return { line: row.get(column)?.line ?? line, path: column }
    }
    return [{ direction, rule: ruleOf(row, side), line, path: `${direction}[${place}]`, placeOf }]
  })
  return answer(rules)
}

function checkHead(head: readonly CsvField[], problems: Problems): void {
  const names = head.map(({ text }) => text)
  names.forEach((name, index) => {
    const known = csvColumns.some((column) => column === name)
    const message = known ? 'is there twice' : `unknown column; known: ${csvColumns.join(', ')}`
    if (known && names.indexOf(name) === index) return
    problems.add({ line: 1, path: name }, message)
  })
  for (const name of NEEDED) {
    if (!names.includes(name)) problems.add({ line: 1, path: name }, 'the column is missing')
  }
}

function ruleOf(
  row: ReadonlyMap<string | undefined, CsvField>,
  side: 'source' | 'destination',
): Readonly<Record<string, unknown>> {
  const textOf = (column: CsvColumn): string | undefined => {
    const field = row.get(column)
    return field === undefined || (field.text === '' && !field.quoted) ? undefined : field.text
  }
  const field = (name: string, value: unknown): Record<string, unknown> =>
    value === undefined ? {} : { [name]: value }
  const ports = wordsOf(textOf('ports'))
  const type = numberOf(textOf('icmpType'))
  const code = numberOf(textOf('icmpCode'))
  const self = truthOf(textOf('self'))
  const peer = {
    ...Object.assign({}, ...LISTS.map((name) => field(name, wordsOf(textOf(name))))),
    ...(self === undefined || self === false ? {} : { self }),
  }
  return {
    ...field('id', textOf('id')),
    ...field('family', textOf('family')),
    ...field('protocol', numberOf(textOf('protocol'))),
    ...field('ports', ports),
    ...(type === undefined && code === undefined
      ? {}
      : { icmp: { ...field('type', type), ...field('code', code) } }),
    ...(Object.keys(peer).length === 0 ? {} : { [side]: peer }),
    ...field('action', textOf('action')),
    ...field('enabled', truthOf(textOf('enabled'))),
    ...field('log', truthOf(textOf('log'))),
    ...field('description', textOf('description')),
  }
}

/** What is no number stays a text, and the schema says so. */
function numberOf(text: string | undefined): string | number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : text
}

function truthOf(text: string | undefined): string | boolean | undefined {
  return text === 'true' || text === 'false' ? text === 'true' : text
}

function wordsOf(text: string | undefined): string[] | undefined {
  return text?.split(' ').filter((word) => word !== '')
}

/** `source.cidrs[1]` is of the column `cidrs`, `icmp.code` of `icmpCode`. */
function columnOf(field: string): string {
  const [head = '', next] = field.split(/[.[\]]+/)
  if (head === 'icmp') return next === 'code' ? 'icmpCode' : 'icmpType'
  return head === 'source' || head === 'destination' ? (next ?? 'cidrs') : head
}
