/** Looks over the whole source tree: `node tools/tidy/main.ts`, a TAP stream with one case a
 *  rule. */
import { repository } from '../repository.ts'
import { importRule } from './imports.ts'
import { anyRule, exportRule, nameRule, packageRule, unfinishedRule } from './names.ts'
import { lengthRule, widthRule } from './sizes.ts'
import { type Finding, type Rule, readSourceTree } from './source-file.ts'

/** Every rule of the house that a program can check. */
export const rules: readonly Rule[] = [
  importRule,
  lengthRule,
  widthRule,
  nameRule,
  unfinishedRule,
  anyRule,
  exportRule,
  packageRule,
]

/** One case of TAP (version 13) with its findings. Pure. */
export function tapCase(number: number, title: string, findings: readonly Finding[]): string {
  if (findings.length === 0) return `ok ${number} - ${title}\n`
  const lines = findings.map(({ path, line, message }) => {
    return `    ${path}${line === undefined ? '' : `:${line}`}: ${message}\n`
  })
  return `not ok ${number} - ${title}\n  ---\n${lines.join('')}  ...\n`
}

if (import.meta.main) {
  const files = await readSourceTree(repository)
  process.stdout.write('TAP version 13\n')
  for (const [index, { title, find }] of rules.entries()) {
    const findings = find(files)
    process.stdout.write(tapCase(index + 1, title, findings))
    if (findings.length > 0) process.exitCode = 1
  }
  process.stdout.write(`1..${rules.length}\n`)
}
