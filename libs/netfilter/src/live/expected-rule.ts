import type { EndVerdict } from '../analyse/verdict-between.ts'
import { ruleLabel } from '../compile/decided.ts'
import { TABLE_NAME } from '../target/names.ts'

/** The comment of what decides in the kernel where it decides as an end's list says; without groups
 *  it is the rule that lets all pass, whose comment ends with a print of its chain. Pure. */
export function expectedRule({ decidedBy, rule, open, direction }: EndVerdict): string {
  if (rule !== undefined) return ruleLabel(rule.provenance, direction)
  if (decidedBy.type === 'builtIn') return `open/${open?.name ?? ''}`
  return decidedBy.type === 'unfiltered' ? 'base/not-filtered' : 'default'
}

/** Whether what decided is of our lists and the one that was expected. Pure. */
export function isExpected(
  { table, rule = '' }: { readonly table: string; readonly rule?: string },
  expected: string,
): boolean {
  if (table !== `inet ${TABLE_NAME}`) return false
  return rule === expected || (expected.startsWith('base/') && rule.startsWith(`${expected}/`))
}
