import type { Judgement } from '../event.ts'
import type { Life } from '../life.ts'

/** Whether a report shows that the machine is the one that may be written to: its BMC names it so.
 *  Where neither of them has a name to compare, the enrolled MAC shows it if the chassis says so; a
 *  name that is another's is never passed over. Pure. */
export function isProven(
  { trustsMac }: Pick<Life, 'trustsMac'>,
  { identity, bootMacSeen }: Judgement,
): boolean {
  if (identity === 'same') return true
  return identity === 'unknown' && bootMacSeen && trustsMac === true
}
