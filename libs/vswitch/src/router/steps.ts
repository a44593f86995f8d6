import type { LaneStep } from '@purlin/base'
import type { VswitchObserved } from '../observed.ts'
import type { RouterDesired } from './desired.ts'
import { routerDifferences, strayRouters } from './differences.ts'

const ROUTE_DEADLINE_MS = 30_000
const UNROUTE_DEADLINE_MS = 15_000

/** What is done about routers. Each step makes or mends the whole of its router. */
export type RouterStep = LaneStep &
  (
    | {
        readonly kind: 'route'
        readonly router: RouterDesired
        /** Namespaces that are told everything again: port groups, the router's own under the empty
         *  name. */
        readonly again: readonly string[]
      }
    | { readonly kind: 'unroute'; readonly router: string }
  )

/** The routers that are taken away, before the port groups they join. Pure. */
export function unrouteSteps(
  routers: readonly RouterDesired[],
  observed: VswitchObserved,
): readonly RouterStep[] {
  return strayRouters(routers, observed).map((router) => ({
    ...whole('unroute', `take router ${router} away`, UNROUTE_DEADLINE_MS),
    router,
  }))
}

/** The routers that are made or mended, after the services of their port groups; `served` are the
 *  port groups that the same plan serves anew. Pure. */
export function routeSteps(
  routers: readonly RouterDesired[],
  observed: VswitchObserved,
  served: ReadonlySet<string>,
): readonly RouterStep[] {
  return routers.flatMap((router) => {
    const found = routerDifferences(router, observed, served)
    if (found.length === 0) return []
    const summary = `route by ${router.name}: ${found.join(', ')}`
    const lacking = observed.routers?.get(router.name)?.lacking ?? new Map<string, string[]>()
    const again = [...lacking].flatMap(([place, { length }]) => (length > 0 ? [place] : []))
    return [{ ...whole('route', summary, ROUTE_DEADLINE_MS), router, again }]
  })
}

function whole<Kind extends RouterStep['kind']>(
  kind: Kind,
  summary: string,
  deadlineMs: number,
): LaneStep & { readonly kind: Kind } {
  return { kind, summary, requires: [], forbids: [], deadlineMs }
}
