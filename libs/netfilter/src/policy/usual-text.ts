import { formatAddress, parseAddress } from '@purlin/base'

const known = new Map<string, string>()
const KNOWN_MAX = 65_536

/** An address in its shortest usual text; a text that is none stays as it is. Remembers what it has
 *  read, because a host's addresses are asked for at every change. */
export function usualText(text: string): string {
  const found = known.get(text)
  if (found !== undefined) return found
  const address = parseAddress(text)
  const usual = address === undefined ? text : formatAddress(address)
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(text, usual)
  return usual
}
