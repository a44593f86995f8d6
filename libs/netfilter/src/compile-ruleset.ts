import { compile } from './compile/compile.ts'
import type { NetfilterDesired } from './policy/desired.ts'
import { hostObjects } from './target/host-objects.ts'
import { loadScript } from './target/load-script.ts'

/** The whole rule set of a host as text for `nft -f`. It needs no kernel and no privilege. Pure.
 *  Errors: PUR_INVALID. */
export function compileRuleset(desired: NetfilterDesired): string {
  return loadScript(hostObjects(compile(desired), () => 0))
}
