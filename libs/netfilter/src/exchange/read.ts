import type { ImportFormat } from '@purlin/schema'
import { readAws } from './aws.ts'
import { type Located, readLocated } from './located.ts'
import { readOpenStack } from './openstack.ts'
import { readOwnCsv } from './own-csv.ts'
import { readOwnDocument } from './own-document.ts'
import type { ReadOptions, RuleFile } from './rule-file.ts'
import { readZstack } from './zstack.ts'

/** Reads a file of rules in our own forms (JSON, YAML, CSV), of `openstack security group rule list
 *  -f json`, of `aws ec2 describe-security-groups`, or with ZStack's rule fields. Whatever cannot
 *  be expressed is a problem with its line; nothing is dropped. Pure. */
export function readRuleFile(text: string, options: ReadOptions): RuleFile {
  const { format } = options
  if (format === 'csv' || (format === undefined && looksLikeCsv(text))) return readOwnCsv(text)
  const read = readLocated(text)
  if (!('root' in read)) {
    const { line, message } = read
    return { format: format ?? 'json', rules: [], problems: [{ line, path: '', message }] }
  }
  const { root } = read
  switch (format ?? formatOf(root, text)) {
    case 'openstack':
      return readOpenStack(root, options)
    case 'aws':
      return readAws(root, options)
    case 'zstack':
      return readZstack(root, options)
    case 'yaml':
      return readOwnDocument(root, 'yaml')
    default:
      return readOwnDocument(root, 'json')
  }
}

function looksLikeCsv(text: string): boolean {
  const [head = ''] = text.replace(/^\uFEFF/, '').split(/\r?\n/, 1)
  const columns = head.split(',')
  return ['direction', 'action', 'family', 'protocol'].every((name) => columns.includes(name))
}

/** Tells the form of a document by the words that only it uses. */
function formatOf(root: Located, text: string): ImportFormat {
  const own = root.fields()
  if (own.has('SecurityGroups')) return 'aws'
  if (own.has('inventories') || own.has('inventory') || own.has('rules')) return 'zstack'
  const [first] = root.items()
  const words = first?.fields()
  if (words?.has('IP Protocol') || words?.has('Direction')) return 'openstack'
  if (words?.has('IpPermissions')) return 'aws'
  if (words?.has('type')) return 'zstack'
  return text.trimStart().startsWith('{') ? 'json' : 'yaml'
}
