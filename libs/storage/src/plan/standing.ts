import { isDeepStrictEqual } from 'node:util'
import type { PoolStatus } from '../control/messages.ts'
import type { PoolDesired, StorageDesired } from '../desired.ts'
import type { StorageStep } from './step.ts'
import { callStep } from './steps.ts'

/** The step that has a pool go by another fault domain, or by other places of its disks, where the
 *  configuration file has said so and the pool does not yet. What that puts at risk moves behind
 *  the step, and shows in the status. Pure. */
export function standingSteps(
  topologies: StorageDesired['topologies'],
  { name, spec }: PoolDesired,
  { engine }: PoolStatus,
): StorageStep[] {
  if (engine?.faultDomain === undefined) return []
  const ways = waysOf(topologies)
  const stands = new Map(engine.disks.map((disk) => [disk.name, disk]))
  const moved = spec.disks.filter(({ name: disk, server = '' }) => {
    const found = stands.get(disk)
    // One that is missing says where it stands when it is back.
    if (found === undefined || found.state === 'missing') return false
    return !isDeepStrictEqual(found.domains, ways.get(server) ?? [server])
  })
  const parts = [
    ...(engine.faultDomain === spec.faultDomain ? [] : [`survive by the ${spec.faultDomain}`]),
    ...(moved.length === 0
      ? []
      : [`know where ${moved.map((disk) => disk.name).join(', ')} stands`]),
  ]
  if (parts.length === 0) return []
  return [
    callStep('pool-topology', name, `let pool ${name} ${parts.join(' and ')}`, { pool: name }),
  ]
}

/** The way to each server from the widest domain down. Pure. */
function waysOf(topologies: StorageDesired['topologies']): ReadonlyMap<string, readonly string[]> {
  const roots = topologies.flatMap(({ spec }) => spec.roots)
  const ways = roots.flatMap(({ datacenter, rooms }) =>
    rooms.flatMap(({ room, racks }) =>
      racks.flatMap(({ rack, servers }) =>
        servers.map((server): [string, string[]] => [server, [datacenter, room, rack, server]]),
      ),
    ),
  )
  return new Map(ways)
}
