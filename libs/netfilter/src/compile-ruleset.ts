import { compile } from './compile/compile.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import { kernelRuleset } from './target/nftables.ts'
import { wholeScript } from './target/script.ts'

/** The whole rule set of a host as text for `nft -f`. It needs no kernel and no privilege. Pure.
 *  Errors: PUR_INVALID. */
export function compileRuleset(desired: NetfilterDesired): string {
  return wholeScript(kernelRuleset(compile(desired), () => 0))
}
