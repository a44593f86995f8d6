import { type Fact, fact } from '@purlin/base'
import { devicesOf } from '@purlin/schema'
import { aliasOf, PORT_MARK } from './mark.ts'
import type { VswitchObserved } from './observed.ts'
import { cableDifferences, opened } from './plan/port.ts'

/** `nic/PORT/plugged` of every port whose bridge, cable and switch port stand. Pure. */
export function pluggedFacts(observed: VswitchObserved): ReadonlySet<Fact> {
  const found = new Set<Fact>()
  for (const switchPort of observed.switchPorts.values()) {
    const port = switchPort.externalIds[PORT_MARK]
    const key = /^pout-([0-9a-f]{8})$/.exec(switchPort.name)?.[1]
    if (port === undefined || key === undefined || !opened(switchPort)) continue
    const devices = devicesOf(key)
    const ours = observed.links.get(devices.bridge)?.alias === aliasOf(PORT_MARK, port)
    if (ours && cableDifferences(devices, observed).length === 0) {
      found.add(fact('nic', port, 'plugged'))
    }
  }
  return found
}
