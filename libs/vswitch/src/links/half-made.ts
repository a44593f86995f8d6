import type { Run } from '@purlin/base'
import { type Link, readLinks } from './link.ts'

/** A link is made in one step and marked in the next. In between it is in this group ("purm", ours
 *  by convention), so that one whose making was cut short is told from a stranger's link. */
const MAKING_GROUP = 0x70_75_72_6d
const DELETE_DEADLINE_MS = 10_000

/** The words of `ip link add` for a link that `markWords` marks next. */
export const makingWords = `group ${MAKING_GROUP}`

/** The words of `ip link set` that mark a link and so end its making. */
export function markWords(alias: string): string {
  return `alias ${alias} group default`
}

/** Whether a link was made by an agent that was stopped before it could mark it. */
export function isHalfMade({ alias, group }: Pick<Link, 'alias' | 'group'>): boolean {
  return alias === undefined && group === String(MAKING_GROUP)
}

/** Reads the named links after those of them that are half made were deleted. Only for names that
 *  nobody else is making now. Errors: as `readLinks`. */
export async function readWholeLinks(
  run: Run,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Link>> {
  const links = await readLinks(run, names, signal)
  const halves = [...links.values()].filter(isHalfMade)
  if (halves.length === 0) return links
  // Either end of a cable takes the other along, whose own deletion then fails.
  await run('ip', ['-force', '-batch', '-'], {
    timeoutMs: DELETE_DEADLINE_MS,
    input: halves.map(({ name }) => `link delete dev ${name}\n`).join(''),
    acceptedExitCodes: [1, 2],
    signal,
  })
  return await readLinks(run, names, signal)
}
