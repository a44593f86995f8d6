import { PurlinError } from '@purlin/base'
import { gatewayKernelSettings, routerKernelSettings } from '../inside/kernel-settings.ts'
import type { KeptPlace } from '../inside/listing.ts'
import type { KernelDrift } from '../inside/set-kernel.ts'
import type { InsideWatch, Lacking, WrittenPlace } from '../inside/watch-inside.ts'
import type { ServiceObserved } from '../services/observe.ts'
import { type RouterObserved, stampOf } from './state.ts'

/** The namespace of a router as it is watched. */
export function routerPlace(
  router: string,
  processId: number,
  devices: Iterable<string>,
): KeptPlace {
  const kernel = routerKernelSettings(devices)
  return { name: `router ${router}`, processId, hasRules: true, kernel }
}

/** The namespace of a port group's gateway as it is watched. */
export function portGroupPlace(portGroup: string, processId: number, isJoined: boolean): KeptPlace {
  const kernel = gatewayKernelSettings(isJoined)
  return { name: `the gateway of port group ${portGroup}`, processId, hasRules: false, kernel }
}

/** What was found inside the namespaces of this host. */
export interface InsideFound {
  /** Each with what somebody took away. */
  readonly routers: ReadonlyMap<string, RouterObserved>
  readonly kernel: readonly KernelDrift[]
}

/** Puts to each router what somebody took away inside its namespace and those of its port groups,
 *  and tells which settings of the kernel are others in any of them. Of port groups without a
 *  router nothing is written down: their addresses are seen without entering. */
export async function lookInside(
  watch: InsideWatch,
  routers: ReadonlyMap<string, RouterObserved>,
  services: ReadonlyMap<string, ServiceObserved>,
  signal: AbortSignal,
): Promise<InsideFound> {
  const looks: { readonly router: string; readonly place: string; readonly kept: WrittenPlace }[] =
    []
  const written = (router: RouterObserved, place: string, stamp: string): readonly string[] => {
    const found = router.inside[place]
    return found?.stamp === stamp ? found.lines : []
  }
  for (const router of routers.values()) {
    const { name, holder, devices } = router
    if (holder === undefined) continue
    const lines = written(router, '', stampOf(holder))
    const kept = { ...routerPlace(name, holder.processId, devices), written: lines }
    looks.push({ router: name, place: '', kept })
  }
  for (const { portGroup, holder } of services.values()) {
    if (holder === undefined) continue
    const joined = [...routers.values()].find(({ inside }) => inside[portGroup] !== undefined)
    const lines = joined === undefined ? [] : written(joined, portGroup, holder.stamp)
    const place = portGroupPlace(portGroup, holder.processId, joined !== undefined)
    const kept = { ...place, written: lines }
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
      return new Map<string, Lacking>()
    })
  const kernel = looks.flatMap(({ kept: { name: place, processId } }): KernelDrift[] => {
    const settings = found.get(place)?.kernel ?? []
    return settings.length === 0 ? [] : [{ place, processId, settings }]
  })
  const told = new Map(
    [...routers].map(([name, router]) => {
      const lacking = looks.flatMap((look): (readonly [string, readonly string[]])[] => {
        const gone = look.router === name ? (found.get(look.kept.name)?.lines ?? []) : []
        return gone.length === 0 ? [] : [[look.place, gone]]
      })
      return [name, { ...router, lacking: new Map(lacking) }]
    }),
  )
  return { routers: told, kernel }
}
