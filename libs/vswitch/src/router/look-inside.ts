import { PurlinError } from '@purlin/base'
import type { KeptPlace } from '../inside/listing.ts'
import type { InsideWatch, WrittenPlace } from '../inside/watch-inside.ts'
import type { ServiceObserved } from '../services/observe.ts'
import { type RouterObserved, stampOf } from './state.ts'

/** The namespace of a router as it is watched. */
export function routerPlace(router: string, processId: number): KeptPlace {
  return { name: `router ${router}`, processId, hasRules: true }
}

/** The namespace of a port group's gateway as it is watched. */
export function portGroupPlace(portGroup: string, processId: number): KeptPlace {
  return { name: `the gateway of port group ${portGroup}`, processId, hasRules: false }
}

/** Puts to each router what somebody took away inside its namespace and those of its port groups.
 *  Port groups without a router are followed too: their addresses are seen without entering. */
export async function lookInside(
  watch: InsideWatch,
  routers: ReadonlyMap<string, RouterObserved>,
  services: ReadonlyMap<string, ServiceObserved>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RouterObserved>> {
  const looks: { readonly router: string; readonly place: string; readonly kept: WrittenPlace }[] =
    []
  const written = (router: RouterObserved, place: string, stamp: string): readonly string[] => {
    const found = router.inside[place]
    return found?.stamp === stamp ? found.lines : []
  }
  for (const router of routers.values()) {
    const { name, holder } = router
    if (holder === undefined) continue
    const lines = written(router, '', stampOf(holder))
    const kept = { ...routerPlace(name, holder.processId), written: lines }
    looks.push({ router: name, place: '', kept })
  }
  for (const { portGroup, holder } of services.values()) {
    if (holder === undefined) continue
    const joined = [...routers.values()].find(({ inside }) => inside[portGroup] !== undefined)
    const lines = joined === undefined ? [] : written(joined, portGroup, holder.stamp)
    const kept = { ...portGroupPlace(portGroup, holder.processId), written: lines }
    looks.push({ router: joined?.name ?? '', place: portGroup, kept })
  }
  const found = await watch
    .lacking(
      looks.map(({ kept }) => kept),
      signal,
    )
    .catch((thrown) => {
      // A namespace that ended meanwhile is missing at the next look.
      if (thrown instanceof PurlinError && thrown.code === 'PUR_CANCELLED') throw thrown
      return new Map<string, readonly string[]>()
    })
  return new Map(
    [...routers].map(([name, router]) => {
      const lacking = looks.flatMap((look): (readonly [string, readonly string[]])[] => {
        const gone = look.router === name ? (found.get(look.kept.name) ?? []) : []
        return gone.length === 0 ? [] : [[look.place, gone]]
      })
      return [name, { ...router, lacking: new Map(lacking) }]
    }),
  )
}
