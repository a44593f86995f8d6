import { PurlinError, type Run } from '@purlin/base'
import { linkFailed, runBatch } from './batch.ts'

/** The kernel deletes the links of a group in one turn. The number is ours by convention alone
 *  ("purp"), so the group is emptied before it is used. */
const GROUP = 0x70_75_72_70
/** The kernel's table of links stays locked for a turn, some 15 ms for each bridge. */
const LINKS_IN_TURN = 16
const LIST_DEADLINE_MS = 5_000

/** Deletes links, many in one turn of the kernel, which takes a third of the time of one by one;
 *  of a cable either end takes the other along, so name one. Errors: PUR_LINK_FAILED. */
export async function deleteLinks(
  run: Run,
  what: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (names.length === 0) return
  const strangers = await membersOfGroup(run, what, signal)
  const turns = Array.from({ length: Math.ceil(names.length / LINKS_IN_TURN) }, (_none, turn) =>
    names.slice(turn * LINKS_IN_TURN, (turn + 1) * LINKS_IN_TURN),
  )
  const commands = [
    ...strangers.map((name) => `link set dev ${name} group default`),
    ...turns.flatMap((some) => [
      ...some.map((name) => `link set dev ${name} group ${GROUP}`),
      `link delete group ${GROUP}`,
    ]),
  ]
  await runBatch(run, what, commands, { signal })
}

/** What is in the group although nothing is being deleted: a deletion was cut short, or somebody
 *  else uses the number. */
async function membersOfGroup(
  run: Run,
  what: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const args = ['-json', 'link', 'show', 'group', String(GROUP)]
  try {
    const { stdout } = await run('ip', args, { timeoutMs: LIST_DEADLINE_MS, signal })
    const rows: unknown = stdout.trim() === '' ? [] : JSON.parse(stdout)
    if (Array.isArray(rows)) return rows.flatMap(({ ifname }) => ifname ?? [])
  } catch (thrown) {
    throw linkFailed(what, thrown)
  }
  throw new PurlinError('PUR_LINK_FAILED', { message: `${what}: ip answers no list of links` })
}
