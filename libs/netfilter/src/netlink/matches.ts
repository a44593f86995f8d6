import type { MatchStatement, Statement } from '../target/statement.ts'
import { formOf } from '../target/values.ts'
import { loadOf } from './fields.ts'

/** What one register holds at most. */
const REGISTER_BYTES = 16

/** The run of matches from `at` on that the kernel is asked at once, as nft does: single values of
 *  neighbouring fields of one header. */
export function adjacentMatches(
  statements: readonly Statement[],
  at: number,
): readonly MatchStatement[] {
  const run: MatchStatement[] = []
  let end: { base: number; offset: number } | undefined
  let length = 0
  for (let index = at; index < statements.length; index++) {
    const statement = statements[index]
    if (statement?.kind !== 'match' || !isSingle(statement)) break
    const load = loadOf(statement.field)
    if (load.from !== 'payload') break
    const size = formOf(statement.field).length
    if (end !== undefined && (load.base !== end.base || load.offset !== end.offset)) break
    if (length + size > REGISTER_BYTES) break
    run.push(statement)
    end = { base: load.base, offset: load.offset + size }
    length += size
  }
  return run
}

function isSingle({ operator, mask, values }: MatchStatement): boolean {
  const [only] = values
  return (
    operator === '==' &&
    mask === undefined &&
    values.length === 1 &&
    only !== undefined &&
    only.first === only.last
  )
}
