import { type Fact, fact } from '@purlin/base'
import { devicesOf, TAP_PREFIX } from '@purlin/schema'
import { aliasOf, PORT_MARK } from './mark.ts'
import type { VswitchObserved } from './observed.ts'
import { cableDifferences, opened } from './plan/port.ts'

/** `nic/PORT/plugged` of every port whose bridge, cable and switch port stand, or which is a direct
 *  port whose flows stand: its tap may come. Pure. */
export function pluggedFacts(observed: VswitchObserved): ReadonlySet<Fact> {
  const found = new Set<Fact>()
  for (const switchPort of observed.switchPorts.values()) {
    const port = switchPort.externalIds[PORT_MARK]
    if (port !== undefined && switchPort.name.startsWith(TAP_PREFIX)) {
      const flows = observed.pipelines.get(switchPort.bridge)
      if (flows?.intact === true) found.add(fact('nic', port, 'plugged'))
      continue
    }
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
