import { routerDevice } from '@purlin/schema'
import { aliasOf, nameOfAlias, ROUTER_MARK } from '../mark.ts'
import type { VswitchObserved } from '../observed.ts'
import { switchPortDifferences } from '../plan/port.ts'
import type { SwitchPortWanted } from '../plan/wanted.ts'
import type { ExternalDesired, RouterDesired } from './desired.ts'
import { legDevice } from './settings.ts'
import { routerFingerprint } from './state.ts'

/** The switch port of a router's external side. */
export function externalPortWanted(router: string, external: ExternalDesired): SwitchPortWanted {
  return {
    bridge: external.switch,
    tag: external.vlan,
    trunks: [],
    externalIds: { [ROUTER_MARK]: router },
    interfaceIds: { 'attached-mac': external.mac },
  }
}

/** What of a router does not stand as it should, in words; empty: all is well. `remade` are the
 *  port groups whose namespaces the same plan makes or configures anew. Pure. */
export function routerDifferences(
  router: RouterDesired,
  observed: VswitchObserved,
  remade: ReadonlySet<string> = new Set(),
): readonly string[] {
  const found = observed.routers?.get(router.name)
  if (found?.holder === undefined) return ['its namespace is missing']
  const stamps = router.legs.map(
    ({ portGroup }) => observed.services.get(portGroup)?.holder?.stamp ?? '',
  )
  const missing = router.legs
    .filter(({ portGroup }) => !found.devices.has(legDevice(portGroup)))
    .map(({ portGroup }) => `port group ${portGroup} is not joined`)
  const again = router.legs
    .filter(({ portGroup }) => remade.has(portGroup))
    .map(({ portGroup }) => `port group ${portGroup} is served anew`)
  return [
    ...again,
    ...missing,
    ...[...found.lacking].flatMap(([place, [first, ...others]]) =>
      first === undefined ? [] : [lackingText(place, first, others.length)],
    ),
    ...(again.length > 0 || found.fingerprint === routerFingerprint(router, stamps)
      ? []
      : ['its routes or addresses are others']),
    ...(router.external === undefined
      ? []
      : externalDifferences(router.name, router.external, observed)),
  ]
}

function lackingText(place: string, first: string, others: number): string {
  const where = place === '' ? 'in its namespace' : `in the gateway of ${place}`
  return `${where} "${first}"${others === 0 ? '' : ` and ${others} more`} is gone`
}

/** Routers that have traces here and are not wanted. Pure. */
export function strayRouters(
  routers: readonly RouterDesired[],
  observed: VswitchObserved,
): readonly string[] {
  const kept = new Set(routers.map(({ name }) => name))
  const external = new Set(
    routers.flatMap((router) => (router.external === undefined ? [] : [router.name])),
  )
  const whole = [...(observed.routers?.keys() ?? [])].filter((name) => !kept.has(name))
  const ports = [
    ...[...observed.links.values()].map((link) => nameOfAlias(ROUTER_MARK, link.alias)),
    ...[...observed.switchPorts.values()].map((port) => port.externalIds[ROUTER_MARK]),
  ].flatMap((name) => (name === undefined || external.has(name) || kept.has(name) ? [] : [name]))
  return [...new Set([...whole, ...ports])]
}

function externalDifferences(
  router: string,
  external: ExternalDesired,
  observed: VswitchObserved,
): readonly string[] {
  const device = routerDevice(router)
  const link = observed.links.get(device)
  if (link?.alias !== aliasOf(ROUTER_MARK, router)) return [`${device} is missing`]
  return [
    ...(link.up ? [] : [`${device} is down`]),
    ...switchPortDifferences(device, externalPortWanted(router, external), observed),
  ]
}
