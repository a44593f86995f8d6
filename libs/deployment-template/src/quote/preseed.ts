import assert from 'node:assert/strict'
import { oneLine } from './line.ts'

/** One answer of a preseed file. The format has no quoting: the value runs to the end of its line,
 *  a backslash at the end would join the next line on, and cdebconf reads other backslashes as
 *  escapes. So a value with any is a fault of the program. */
export function preseedLine(owner: string, question: string, type: string, value: string): string {
  const plain = oneLine(value)
  assert.ok(!plain.includes('\\') && plain.trim() === plain, `${question}: no value of a preseed`)
  return `${owner} ${question} ${type}${plain === '' ? '' : ` ${plain}`}`
}
