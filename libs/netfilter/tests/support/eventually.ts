/** Asks until the answer is yes: on a busy host a packet may be late, and an address may not have
 *  been resolved yet. What is to be refused is asked once, since a "yes" is final. */
export async function eventually(ask: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 4; tries > 0; tries--) if (await ask()) return true
  return false
}
