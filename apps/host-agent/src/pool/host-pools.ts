import type { HostCapacity, HostPool, HostUse, InventoryCounts, Manifest } from '@purlin/schema'
import { isActive } from '@purlin/virt'
import { type HostRooms, needsHost, promisedOn } from '../admit/refuse-beyond.ts'
import type { ForeignMachine } from '../status/host-view.ts'
import { type Amounts, figuresOf, NOTHING, sumOf } from './capacity.ts'

/** What a host of the fleet has told of itself. */
export interface KnownPool {
  readonly host: string
  readonly present: boolean
  readonly capacity?: HostCapacity | undefined
  readonly devices?: InventoryCounts | undefined
  readonly use?: HostUse | undefined
}

/** The pools of hosts: what they have, less what machines that should be active and foreign domains
 *  are promised. A machine that names no host is on `home`. Pure. */
export function hostPools(
  known: readonly KnownPool[],
  manifests: readonly Manifest[],
  foreign: readonly ForeignMachine[],
  home: string,
): readonly HostPool[] {
  const machines = manifests.flatMap((manifest) =>
    manifest.kind === 'VirtualMachine' ? [manifest] : [],
  )
  return known.map(({ host, present, capacity, devices, use }) => {
    const own = machines.filter(({ spec }) => (spec.host ?? home) === host)
    const reserved = sumOf([promisedOn(own, host, home), foreignOn(foreign, host)])
    return {
      host,
      present,
      machines: own.length,
      activeMachines: own.filter(({ spec }) => needsHost(spec.powerState)).length,
      ...figuresOf(capacity, reserved, use),
      ...(devices && { devices }),
      ...(use && { use }),
    }
  })
}

/** What admission knows of hosts; of those that have told no capacity nothing. Pure. */
export function hostRooms(
  known: readonly KnownPool[],
  foreign: readonly ForeignMachine[],
): HostRooms {
  return new Map(
    known.flatMap(({ host, capacity }) =>
      capacity === undefined ? [] : [[host, { capacity, foreign: foreignOn(foreign, host) }]],
    ),
  )
}

/** What active domains that are not Purlin's have of a host. Pure. */
function foreignOn(foreign: readonly ForeignMachine[], host: string): Amounts {
  const there = foreign.filter((one) => one.host === host && isActive(one.state))
  return there.length === 0 ? NOTHING : sumOf(there)
}
