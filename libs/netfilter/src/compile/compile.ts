import type { NetfilterDesired } from '../policy/desired.ts'
import { Compiler, type CompilerOptions } from './compiler.ts'
import type { CompiledRuleset } from './ruleset.ts'

/** Compiles the policy of a host once. Whoever compiles again and again keeps a `Compiler`. Pure.
 *  Errors: PUR_INVALID. */
export function compile(desired: NetfilterDesired, options?: CompilerOptions): CompiledRuleset {
  return new Compiler(options).compile(desired)
}
