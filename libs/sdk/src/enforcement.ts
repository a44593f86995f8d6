import type { PolicyPlan, PolicyPlanRequest, RuleHit, Verification } from '@purlin/schema'
import type { CallOptions } from './connect/call.ts'
import { carryOut } from './connect/operation.ts'
import type { Transport } from './connect/transport.ts'

const VERIFY_LIMIT_MS = 120_000

/** What this host's kernel enforces of the security groups. */
export interface Enforcement {
  /** What a manifest, or a file of rules for a group, would newly allow, newly deny and cut;
   *  nothing is applied. Errors: PUR_INVALID with every problem. */
  plan(request: PolicyPlanRequest, options?: CallOptions): Promise<PolicyPlan>
  /** What each rule, of one group or of all, has decided since its list was loaded. A rule that no
   *  list of this host holds is not among them. */
  hits(group?: string, options?: CallOptions): Promise<readonly RuleHit[]>
  /** Proves that the kernel decides every packet of every NIC as the policy does, or shows what
   *  does not, with a packet. Takes two minutes at most unless `deadlineMs` says otherwise. */
  verify(options?: CallOptions): Promise<Verification>
}

/** The enforcement behind `transport`. */
export function enforcementOf(transport: Transport): Enforcement {
  return {
    plan: (body, options) => carryOut(transport, 'planPolicy', { body, options }),
    hits: async (group, options) => {
      const query = group === undefined ? {} : { group }
      return (await carryOut(transport, 'listHits', { query, options })).items
    },
    verify: (options) =>
      carryOut(transport, 'verifyRules', { options: { deadlineMs: VERIFY_LIMIT_MS, ...options } }),
  }
}
